"""Shell text is read as a shell reads it, or not let through."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.guard.inside.effects import Effect, Finding, Surroundings
from ledgerflow_ops.guard.inside.options import Unreadable
from ledgerflow_ops.guard.inside.words import commands
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
sh -c 'dropdb x'
sh -c "sh -c 'dropdb x'"
su postgres -c "dropdb x"
'
"
\
x (
ls)'
ls >
ls > ;
ls >(
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


@pytest.mark.parametrize("line", lines(READING))
def test_reading(line: str) -> None:
    found = of_shell(text_of(line), DATABASE)
    assert found.effect is Effect.READS, found.why


@pytest.mark.parametrize("line", lines(DESTROYING))
def test_destroying(line: str) -> None:
    found = of_shell(text_of(line), DATABASE)
    assert found.effect is Effect.DESTROYS, found.why


def test_here_documents_and_new_lines() -> None:
    assert of_shell("ls\ndropdb x", DATABASE).effect is Effect.DESTROYS
    assert of_shell("ls # '\ndropdb x # '", DATABASE).effect is Effect.DESTROYS
    assert of_shell("psql <<EOF\ndrop table x\nEOF", DATABASE).effect is Effect.DESTROYS
    assert of_shell("ls\r\ndropdb x", DATABASE).effect is Effect.DESTROYS
    assert of_shell("ls\0", DATABASE).effect is Effect.DESTROYS
    assert of_shell("", DATABASE).effect is Effect.READS


def test_an_interactive_program_in_a_text_is_the_persons() -> None:
    terminal = replace(DATABASE, terminal=True)
    assert of_shell("psql", terminal).effect is Effect.CHANGES
    assert of_shell("psql < /tmp/x", terminal).effect is Effect.DESTROYS
    assert of_shell("psql", given_input(DATABASE)).effect is Effect.DESTROYS


QUOTED = st.text(st.sampled_from("abc$`\"'\\ ;&|<>()#*?!{}~\n\t-=%"), max_size=8)


@given(st.lists(QUOTED, min_size=1, max_size=4), st.sampled_from(["single", "double", "backslash"]))
@examples(200)
def test_quoting_gives_the_words_back(values: list[str], way: str) -> None:
    """Words quoted in any way are the words again, and no more than one command."""
    found = [each for each in commands("x " + " ".join(quoted(value, way) for value in values)) if each.words]
    assert [word.text for each in found for word in each.words] == ["x", *values]


def quoted(value: str, way: str) -> str:
    if way == "single" or not value or "\n" in value:
        return "'" + value.replace("'", "'\\''") + "'"
    if way == "double":
        return '"' + "".join(f"\\{sign}" if sign in '$`"\\' else sign for sign in value) + '"'
    return "".join(f"\\{sign}" for sign in value)


TEXT = st.lists(
    st.sampled_from(["a", "b-c", "'d e'", '"f g"', "\\;", "'", '"', "\\", " ", ";", "&&", "|", "#", "2>&1",
                     ">/dev/null", "x=1", "\n", "'$y'", "{}", "*"]),
    max_size=9,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_words_are_those_of_a_real_shell(shell: str, tmp_path: Path) -> None:
    """What is read as one simple command has the very words that the shell hands to the program."""
    seen = 0

    @given(TEXT)
    @examples(150)
    def compare(text: str) -> None:
        nonlocal seen
        try:
            found = commands(f"printf '%s\\0' {text}")
        except Unreadable:
            return
        if (
            len(found) != 1
            or found[0].outputs
            or found[0].fed
            or any(word.pattern or not word.sure for word in found[0].words)
        ):
            return
        done = subprocess.run(
            [shell, "-c", f"printf '%s\\0' {text}"], capture_output=True, cwd=tmp_path, check=False, env={}
        )
        if done.returncode:  # not even a command to the shell
            return
        due = [word.text for word in found[0].words[2:]] or [""]
        assert done.stdout.decode().split("\0")[:-1] == due
        seen += 1

    compare()
    assert seen > 5


@given(st.text(max_size=60) | TEXT, st.sampled_from([DATABASE, APPLICATION]))
@examples(300)
def test_nothing_raises(text: str, around: Surroundings) -> None:
    found = of_shell(text, around)
    assert isinstance(found, Finding)
    assert found.why


def test_texts_within_texts_are_answered_at_once() -> None:
    text = "dropdb x"
    for _ in range(9):
        text = f"cd a; cd b; sh -c {shlex.quote(text)}"
    assert of_shell(text, DATABASE).effect is Effect.DESTROYS
    assert of_shell(text.replace("dropdb x", "ls"), DATABASE).effect in Effect
