"""What people run in their containers every day is let through: false refusals are seen here."""

import pytest

from ledgerflow_ops.guard.effects import Effect, Surroundings
from ledgerflow_ops_tests.guard.inside.surroundings import APPLICATION, DATABASE, judged

IN_THE_DATABASE = r"""
ls
ls -la /var/lib/postgresql/data
cat /etc/os-release
cat /var/lib/postgresql/data/postgresql.conf
df -h
du -sh /var/lib/postgresql/data
du -sh /var/lib/postgresql/data/*
id
whoami
env
printenv POSTGRES_DB
date
ps aux
uptime
hostname
tail -n 50 /var/lib/postgresql/data/log/postgresql.log
grep -c ERROR /var/log/postgresql.log
pg_isready
pg_isready -U ledgerflow -d ledgerflow_dev -q
/usr/lib/postgresql/17/bin/pg_isready -h localhost
psql --version
psql -V
postgres --version
postgres -V
pg_config --version
psql -l
psql -U ledgerflow -l
psql -U ledgerflow -d ledgerflow_dev -c 'select 1'
psql -U ledgerflow ledgerflow_dev -Atc 'select count(*) from journal_entry'
psql -U ledgerflow ledgerflow_dev -Atqc 'select count(*) from journal_entry'
psql -X -v ON_ERROR_STOP=1 -U ledgerflow -c 'SELECT version();'
psql -U ledgerflow -d ledgerflow_dev -c '\dt'
psql -U ledgerflow -d ledgerflow_dev -c '\d+ public.journal_entry'
psql -U ledgerflow -d ledgerflow_dev -c '\l+'
psql -U ledgerflow -d ledgerflow_dev -c '\du'
psql -U ledgerflow -d ledgerflow_dev -c '\conninfo' -c '\dx'
psql -c "select pg_size_pretty(pg_database_size('ledgerflow_dev'))"
psql -c 'SELECT pid, state, query FROM pg_stat_activity'
psql -c 'SHOW server_version'
psql -c 'show data_directory;'
psql -c 'EXPLAIN SELECT * FROM journal_entry'
psql -c 'EXPLAIN ANALYZE SELECT * FROM journal_entry'
psql -c 'TABLE account'
psql -c "select datname, pg_size_pretty(pg_database_size(datname)) from pg_database order by 2"
psql -c "copy (select * from account) to stdout with (format csv, header)"
psql -c "\copy account to '/tmp/account.csv' csv header"
psql --username=ledgerflow --dbname=ledgerflow_dev --command='select now()'
psql --user=ledgerflow --db=ledgerflow_dev --comm='select now()'
psql postgresql://ledgerflow@localhost:5432/ledgerflow_dev -c 'select 1'
psql 'host=localhost dbname=ledgerflow_dev' -c 'select 1'
psql -U ledgerflow -d ledgerflow_dev -o /tmp/out.txt -c 'select 1'
psql -c "select relname, n_live_tup from pg_stat_user_tables order by n_live_tup desc limit 10"
psql -c "select * from log where message like '%drop table%; delete from x'"
psql -c 'begin; select 1; rollback'
psql -v ON_ERROR_STOP=1 -c "select * from entry where at < '2026-01-01 10:30' and x::text = 'a'"
psql -c 'select * from account tablesample system (1)'
psql -c "select a.id, sum(b.amount) from a join b on (a.id = b.a_id) group by a.id having sum(b.amount) > 0"
psql -lqt
bash -c 'psql -lqt | cut -d "|" -f 1 | grep -qw x'
curl -s http://localhost:9187/metrics
psql -c "set statement_timeout = '5s'; select 1"
pg_dump -U ledgerflow ledgerflow_dev
pg_dump -Fc -Z zstd:1 -U ledgerflow -d ledgerflow_dev
pg_dump -Fc -f /backups/x.dump ledgerflow_dev
pg_dump --clean --if-exists --no-owner ledgerflow_dev
pg_dump --schema-only --file=/tmp/schema.sql ledgerflow_dev
pg_dumpall --globals-only
pg_dumpall -g -f /tmp/globals.sql
pg_restore -l /backups/x.dump
pg_restore -f - /backups/x.dump
pg_restore -f /dev/null /backups/x.dump
pg_basebackup -D /backups/base -Ft -z -X stream
pg_controldata /var/lib/postgresql/data
pg_waldump /var/lib/postgresql/data/pg_wal/000000010000000000000001
pg_checksums --check -D /var/lib/postgresql/data
pg_amcheck ledgerflow_dev
pg_ctl status -D /var/lib/postgresql/data
rm /tmp/x
rm -f /tmp/dump.sql /tmp/other.sql
rm -rf /tmp/work
rm /tmp/*.sql
cp /var/lib/postgresql/data/postgresql.conf /tmp/
cp -a /var/lib/postgresql/data /backups/copy
tar -cf /backups/data.tar -C /var/lib/postgresql data
tar czf /tmp/x.tgz /etc
tar -tvf /backups/data.tar
mkdir -p /backups/today
find /var/lib/postgresql/data -name '*.conf'
sed -n '1,20p' /var/lib/postgresql/data/postgresql.conf
awk '{print $1}' /etc/passwd
sort /tmp/x
sha256sum /backups/x.dump
sh -c 'ls -la /var/lib/postgresql/data | head'
sh -c 'psql -U $POSTGRES_USER -d $POSTGRES_DB -c "select 1"'
bash -c "pg_isready -U ${POSTGRES_USER} -d ${POSTGRES_DB}"
sh -c 'pg_dump -U "$POSTGRES_USER" "$POSTGRES_DB" > /tmp/x.sql'
sh -c 'pg_dump -U postgres x | gzip > /backups/x.sql.gz'
sh -c 'cd /tmp && rm -f x.sql'
sh -c 'if pg_isready; then echo up; else echo down; fi'
sh -c 'until pg_isready; do sleep 1; done'
sh -c 'psql -l 2>&1 | grep ledgerflow || true'
sh -lc 'echo $PATH'
bash -euo pipefail -c 'psql -l >/dev/null 2>&1 && echo ok'
su postgres -c 'psql -l'
su - postgres -c "psql -c 'select 1'"
gosu postgres psql -c 'select 1'
sudo -u postgres psql -l
env PGPASSWORD=secret psql -c 'select 1'
timeout 10 pg_isready
nice -n 19 pg_dump x
time psql -c 'select 1'
nohup pg_dump x -f /tmp/x
postgres
postgres -c log_statement=all -c max_connections=200
docker-entrypoint.sh postgres
docker-entrypoint.sh postgres -c shared_buffers=1GB
-c shared_buffers=256MB
postgres -c shared_preload_libraries=pg_stat_statements -c wal_level=logical
sleep infinity
true
which psql
redis-cli ping
redis-cli -h redis info memory
busybox ls
locale -a
"""

IN_THE_APPLICATION = r"""
ls -la
cat manage.py
pwd
env
python --version
python -V
python3 --version
pip list
pip freeze
pip show django
python -m pip list
python manage.py check
python manage.py check --deploy
python manage.py showmigrations
python manage.py showmigrations ledger
python manage.py migrate --plan
python manage.py migrate --check
python manage.py makemigrations --check --dry-run
python manage.py makemigrations
python manage.py sqlmigrate ledger 0001
python manage.py diffsettings
python manage.py inspectdb
python manage.py collectstatic --noinput
python manage.py compilemessages
python manage.py dumpdata ledger --indent 2
python manage.py dumpdata -o /tmp/ledger.json
python manage.py runserver 0.0.0.0:8000
python manage.py help
python manage.py --help
python manage.py --version
python manage.py help migrate
python -Wignore manage.py check
python -m django --version
python3.12 manage.py check
./manage.py check
manage.py check
/app/manage.py showmigrations
django-admin check
poetry run python manage.py check
uv run manage.py check
uv run --frozen python manage.py check
pipenv run ./manage.py check
sh -c 'python manage.py check && python manage.py showmigrations'
python manage.py dbshell -- -c 'select 1'
/app/.venv/bin/python manage.py check
env DJANGO_SETTINGS_MODULE=ledgerflow.settings.dev python manage.py check
pg_isready -h postgres
psql -h postgres -U ledgerflow -c 'select 1'
pg_dump -h postgres ledgerflow_dev
rm -rf /tmp/cache
rm -rf __pycache__
find . -name '*.pyc' -delete
find . -name '*.py' -exec grep -l models {} +
touch /tmp/x
tail -f /app/logs/django.log
redis-cli -h redis dbsize
grep -r delete .
curl -f http://localhost:8000/health
sh -c 'curl -fsS http://localhost:8000/health || exit 1'
sh -c 'until nc -z postgres 5432; do sleep 1; done'
ruff check .
mypy .
tar xzf assets.tgz
mv a b
"""


def lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line]


CASES = [(line, DATABASE) for line in lines(IN_THE_DATABASE)]
CASES += [(line, APPLICATION) for line in lines(IN_THE_APPLICATION)]


@pytest.mark.parametrize(("line", "around"), CASES, ids=[line for line, _ in CASES])
def test_everyday_lines_are_no_known_losses(line: str, around: Surroundings) -> None:
    found = judged(line, around)
    assert found.effect is not Effect.DESTROYS, found.what


def test_most_of_them_need_no_backup() -> None:
    known = [line for line, around in CASES if judged(line, around).effect is Effect.READS]
    assert len(known) / len(CASES) > 0.6


def test_the_containers_own_program_starts() -> None:
    assert judged("", DATABASE).effect is Effect.READS
    assert judged("", APPLICATION).effect is Effect.READS
