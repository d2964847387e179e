"""Shell text is read as a shell reads it, or not let through."""

import re
import shlex
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.guard.effects import DataEffect, Effect, Surroundings
from ledgerflow_ops.guard.inside.shell import read
from ledgerflow_ops_tests.guard.inside.surroundings import APPLICATION, DATABASE, of_shell
from ledgerflow_ops_tests.guard.inside.surroundings import fed as given_input
from ledgerflow_ops_tests.hypothesis_profiles import examples

READING = r"""
ls; pwd && date || true
ls | wc -l
(cd /tmp; ls)
{ ls; pwd; }
! pg_isready
# rm -rf /
ls # ; rm -rf /
echo 'rm -rf /; dropdb x' "drop table x" \; \| \$\(x\)
echo $HOME ${HOME} $? $$ "$HOME"
echo "costs 5$" $ x
psql -c "select 'a; b'" -c 'select "c"'
ps\ql -c 'sel'"ect 1"
p''sql -c select\ 1
psql -c 'select 1' > /tmp/x 2>&1
psql -l >/dev/null 2>/dev/null
psql -l &>/dev/null
psql -l < /dev/null
psql -c "select 1" >> /tmp/log; ls
cat < /etc/passwd
while ! pg_isready; do sleep 1; done
if pg_isready; then echo up; elif true; then echo x; else echo down; fi
for i in 1 2 3; do echo $i; done
set -eu; ls
export PGPASSWORD=x; psql -c 'select 1'
PGPASSWORD=x psql -c 'select 1'
i=1; echo $i
cd /tmp && rm -f x && rm -rf ./y
time ls
ls &
rm -f /tmp/x
psql -U $POSTGRES_USER -d "${POSTGRES_DB}" -c 'select 1'
pg_dump x | gzip -c > /backups/x
pg_dump x | tee /backups/x | wc -c
find /tmp -name '{}'
[ -f /tmp/x ] && cat /tmp/x
test -d /var/lib/postgresql/data
printf '%s\n' $X
exec psql -c 'select 1'
command -v psql
psql -c 'select 1' \
 -c 'select 2'
"""

DESTROYING = r"""
rm -rf /var/lib/postgresql/data
ls; rm -rf /var/lib/postgresql/data
ls && dropdb x
ls || dropdb x
ls | dropdb x
ls |& dropdb x
ls & dropdb x
(dropdb x)
( ( dropdb x ) )
{ dropdb x; }
! dropdb x
if true; then dropdb x; fi
if false; then true; else dropdb x; fi
while true; do dropdb x; done
until dropdb x; do true; done
for i in 1; do dropdb x; done
dr''opdb x
dr""opdb x
"dropdb" x
'dropdb' x
\dropdb x
d\ropdb x
X=1 dropdb x
2>/dev/null dropdb x
>/dev/null dropdb x
dropdb x 2>&1
dropdb x&
true;dropdb x
true&&dropdb x
psql -c "drop table x"
psql -c "select 1; drop table x"
psql -c drop\ table\ x
psql -c "$SQL"
psql $SQL
psql -c 'select 1' $X
psql "$@"
$X
$X -rf /
"$X" -rf
${X}
r$X -rf /
/bin/r? -rf /var/lib/postgresql/data
/bin/r[m] -rf /var
~/x
$(echo dropdb) x
`echo dropdb` x
echo $(dropdb x)
echo `dropdb x`
echo "$(dropdb x)"
echo "`dropdb x`"
echo "a $(dropdb x) b"
echo ${X:-$(dropdb x)}
echo $((1 + 1))
echo $'a'
$'dropdb' x
eval dropdb x
eval "dropdb x"
. /tmp/x
source /tmp/x
trap 'dropdb x' EXIT
alias ls=dropdb; ls
f() { dropdb x; }; f
ls() { pwd; }; ls
function f { dropdb x; }
case x in x) dropdb x;; esac
coproc dropdb x
echo 'dropdb x' | sh
echo ZHJvcGRi | base64 -d | sh
echo 'drop table x' | psql
cat /tmp/x.sql | psql -U x
cat /tmp/x.sql | (true; psql)
cat /tmp/x.sql | { true; psql; }
cat /tmp/x.sql | if true; then psql; fi
psql < /tmp/x.sql
{ psql; } < /tmp/x.sql
exec < /tmp/x; sh
psql <<< 'drop table x'
sh <(echo dropdb)
diff <(dropdb x) /dev/null
tee >(dropdb x)
echo x > /var/lib/postgresql/data/PG_VERSION
echo x >/var/lib/postgresql/data/PG_VERSION
echo x >> /var/lib/postgresql/data/PG_VERSION
echo x >| /var/lib/postgresql/data/PG_VERSION
echo x &> /var/lib/postgresql/data/PG_VERSION
echo x >& /var/lib/postgresql/data/PG_VERSION
echo x 1<> /var/lib/postgresql/data/PG_VERSION
> /var/lib/postgresql/data/PG_VERSION
: > /var/lib/postgresql/data/PG_VERSION
cd /var/lib/postgresql/data; > PG_VERSION
echo x > $X
echo x > "$PGDATA/PG_VERSION"
cat x > /var/lib/postgresql/data/*
cd /var/lib/postgresql/data && rm PG_VERSION
cd /var/lib && cd postgresql && rm -rf data
cd /var/lib/postgresql; rm -rf *
(cd /var/lib/postgresql); rm -rf *
cd $X; rm -rf *
cd; rm -rf *
cd -; rm x
cd ~; rm x
pushd /var/lib; rm x
rm -rf $PGDATA
rm -rf "$PGDATA"/*
rm -rf ${PGDATA:?}/*
rm -rf /var/lib/postgresql/{data,other}
psql {-c,'drop table x'}
psql {"-c","drop table x"}
{rm,-rf,/var/lib/postgresql/data}
rm -rf /var/lib/postgresql/data \
 /tmp
PATH=/tmp ls
export PATH=/tmp; ls
PATH=/tmp; ls
for PATH in /tmp; do ls; done
LD_PRELOAD=x ls
PSQLRC=/tmp/x psql -l
POSTGRES_DB='x -c drop'; psql $POSTGRES_DB
read POSTGRES_DB; psql $POSTGRES_DB
for POSTGRES_DB in '-cdrop'; do psql $POSTGRES_DB; done
test -v 'a[$(dropdb x)]'
[ 'a[$(dropdb x)]' -eq 1 ]
printf -v PATH /tmp
find / | xargs rm
ls | xargs -n1 dropdb
command dropdb x
command eval x
builtin eval x
exec dropdb x
nohup dropdb x &
ls;>/tmp/x dropdb x
ls|>/tmp/x dropdb x
sh -c 'dropdb x'
sh -c "sh -c 'dropdb x'"
su postgres -c "dropdb x"
'
"
\
x (
ls)'
ls "a
ls 'a
psql -c 'select 1' | sh
python3 -c 'x'
unknown
"""


def lines(table: str) -> list[str]:
    return [line for line in table.replace("\\\n ", "\\\x00 ").splitlines() if line]


def text_of(line: str) -> str:
    return line.replace("\\\x00", "\\\n")


@pytest.mark.parametrize("line", [line for line in lines(READING) if "#" not in line])
def test_what_reads_is_no_known_loss(line: str) -> None:
    found = of_shell(text_of(line), DATABASE)
    assert found.effect is not Effect.DESTROYS, found.what


def test_plain_text_is_known_to_read() -> None:
    plain = [line for line in lines(READING) if not set(line) & set("$`\\{#*\x00")]
    known = [line for line in plain if of_shell(text_of(line), DATABASE).effect is Effect.READS]
    assert len(known) / len(plain) > 0.5


@pytest.mark.parametrize("line", lines(DESTROYING))
def test_what_destroys_is_never_said_to_read(line: str) -> None:
    found = of_shell(text_of(line), DATABASE)
    assert found.effect is not Effect.READS, found.what


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in lines(DESTROYING)
        if re.match(r"(?!echo|sh <|test|diff|tee|alias)[^'\"$`\\]*\bdropdb x", line)
    ],
)
def test_a_command_in_plain_sight_is_a_known_loss(line: str) -> None:
    assert of_shell(text_of(line), DATABASE).effect is Effect.DESTROYS


def test_here_documents_and_new_lines() -> None:
    assert of_shell("ls\ndropdb x", DATABASE).effect is Effect.DESTROYS
    for text in ("ls # '\ndropdb x # '", "psql <<EOF\ndrop table x\nEOF", "ls\r\ndropdb x", "ls\0"):
        assert of_shell(text, DATABASE).effect is not Effect.READS
    assert of_shell("", DATABASE).effect is Effect.READS


def test_an_interactive_program_in_a_text_is_the_persons() -> None:
    terminal = replace(DATABASE, terminal=True)
    for text, around in (("psql", terminal), ("psql < /tmp/x", terminal), ("psql", given_input(DATABASE))):
        assert of_shell(text, around).effect is Effect.UNCERTAIN


TEXT = st.lists(
    st.sampled_from(["a", "b-c", "'d e'", '"f g"', "\\;", "'", '"', "\\", " ", ";", "&&", "|", "#", "2>&1",
                     ">/dev/null", "x=1", "\n", "'$y'", "{}", "*"]),
    max_size=9,
).map("".join)  # fmt: skip


@given(TEXT)
@examples(300)
def test_what_is_sure_has_the_words_of_a_real_shell(text: str) -> None:
    """A text that is read for certain as one command has the very words that a shell hands to the program."""
    script = read(f"printf '%s-' {text}")
    if not script.sure or script.fed or len(script.commands) != 1 or script.commands[0].outputs:
        return
    done = subprocess.run(["bash", "-c", f"printf '%s\\n' {text}"], capture_output=True, check=False, env={})
    if not done.returncode and "\n" not in text:
        assert done.stdout.decode().splitlines() == (script.commands[0].words[2:] or [""])


@given(st.text(max_size=60) | TEXT, st.sampled_from([DATABASE, APPLICATION]))
@examples(300)
def test_nothing_raises(text: str, around: Surroundings) -> None:
    found = of_shell(text, around)
    assert isinstance(found, DataEffect)


def test_texts_within_texts_are_answered_at_once() -> None:
    text = "dropdb x"
    for _ in range(6):
        text = f"cd a; cd b; sh -c {shlex.quote(text)}"
    assert of_shell(text, DATABASE).effect is Effect.DESTROYS
    assert of_shell(text.replace("dropdb x", "ls"), DATABASE).effect in Effect
