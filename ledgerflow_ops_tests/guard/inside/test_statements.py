"""The effects of SQL statements; a statement judged to read leaves a real server unchanged."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.inspection.source import read_seal
from ledgerflow_ops.adapters.programs.client_tools import bundled_tools
from ledgerflow_ops.guard.effects import DataEffect, Effect
from ledgerflow_ops.guard.inside.sql import HARMLESS, NO_CALLS, of_sql
from ledgerflow_ops_tests.hypothesis_profiles import examples

READING = r"""
select 1
SELECT 'drop table account'
select 'it''s; delete from account'
select E'it\'s; drop table account'
select E'\\'; select 1
select $$drop table account; delete from x$$
select $a$ $$ ; drop table x $a$
select $_1$ drop $_1$
select "name" from account limit 1
select 1 as "drop table account; --"
select 1 -- ; drop table account
select 1 /* ; drop table account */
select 1 /* /* ; drop */ table */
/* x */ -- y
;
select U&'d\0061ta', b'01', x'1F', n'a'
select 1; select 2;
table account
values (1), (2)
(select 1) union (select 2)
with a as (select 1) select * from a
with a as materialized (select 1), b(x) as (select 2) select * from a, b
with recursive t(n) as (values (1) union all select n + 1 from t where n < 5) select sum(n) from t
select count(*), sum(1), max(2) filter (where true) over () from account
select now(), version(), current_database(), current_user, pg_backend_pid()
select pg_size_pretty(pg_database_size(current_database()))
select pg_relation_size('pg_class'), pg_total_relation_size('pg_class')
select datname, pg_size_pretty(pg_database_size(datname)) from pg_database
select current_setting('server_version_num')::int
select lower('A') || upper('b') || repeat('x', 3) || lpad('7', 3, '0')
select round(1.5), abs(-1), ceil(1.2), random(), mod(5, 3), power(2, 3)
select coalesce(null, 1), nullif(1, 2), greatest(1, 2), least(1, 2)
select extract(year from now()), date_trunc('day', now()), age(now()), to_char(now(), 'YYYY')
select cast('1' as numeric(10, 2)), '1'::varchar(10), interval '1 day'
select case when 1 in (1, 2) then 'a' else 'b' end
select array_agg(x), string_agg(x::text, ',') from generate_series(1, 5) as x
select * from generate_series(1, 3) as g(i)
select * from unnest(array[1, 2]) with ordinality as u(a, b)
select jsonb_build_object('a', 1) -> 'a', to_jsonb(1), '{"a": 1}'::jsonb ? 'a'
select row_number() over (partition by 1 order by 1), lag(1) over ()
select exists (select 1), not exists (select 1), 1 = any (array[1]), 1 = all (array[1])
select relname, n_live_tup from pg_stat_user_tables order by 2 desc
select pid, state, query from pg_stat_activity
select pg_get_viewdef(c.oid) from pg_class c where relkind = 'v' limit 1
select pg_catalog.now(), "pg_catalog"."upper"('a')
select * from account for update
select * from account for no key update
select * from account for share
select substring('abc' from 1 for 2), position('a' in 'b'), trim(both ' ' from ' a ')
select overlay('a' placing 'b' from 1)
select regexp_replace('a', 'b', 'c'), split_part('a,b', ',', 1), md5('a')
select 1 where 'update' = 'delete'
select pg_is_in_recovery(), pg_current_wal_lsn(), pg_postmaster_start_time()
select has_table_privilege('pg_class', 'select')
select json_agg(t) from (select 1 as a) t
select pg_stat_file('postgresql.conf')
select (select 1), ((2))
select 1 group by grouping sets ((), ())
show server_version
show all
explain select * from account
explain (verbose, costs off) select * from account
explain (select 1)
explain analyze select 1
explain (analyze, buffers) select count(*) from account
explain delete from account
explain with a as (delete from account returning *) select 1 from a
explain update account set id = id
begin; select 1; commit
begin isolation level serializable read only; end
start transaction; savepoint a; release a; rollback
begin; savepoint a; rollback to savepoint a; abort
set statement_timeout = '5s'
set search_path to public, pg_catalog
set local lock_timeout = 1
set time zone 'UTC'
set transaction read only
set session characteristics as transaction read only
set standard_conforming_strings = on
set session_replication_role = origin
reset all
discard all
listen a; notify a; unlisten a
prepare a as select 1; execute a; deallocate a
begin; declare c cursor for select 1; fetch 1 from c; move next in c; close c; end
begin; lock table account in share mode; rollback
copy account to stdout
copy (select * from account) to stdout with (format csv, header)
copy account (id) to stdout
checkpoint
"""

CHANGING = r"""
insert into account values (1)
insert into account (id) values (1) on conflict (id) do update set id = 2
insert into deleted_accounts (id) values (1)
update account set name = 'a' where id = 1
update account set name = (select 1 where false) where id = 1
with a as (select 1) update account set name = 'a' where id = 1
with a as (insert into account values (1) returning *) select * from a
with a(x) as (select 1) insert into account select * from a
merge into account a using x on a.id = x.id when matched then update set name = x.name
select * into new_table from account
with a as (select 1) select * into x from a
create table x (a int)
create table drop_box (a int)
create table if not exists trunc_log (a int)
create table x as select * from account
create or replace view v as select 1
create or replace function f() returns int language sql as 'select 1'
create index on account (name)
create extension pg_trgm
create role x
create database x
create trigger a before insert on account execute function f()
create rule r as on delete to account do instead nothing
alter table account add column x int
alter table account add column type text
alter table account rename to y
alter table account drop constraint c
alter table account alter column x drop not null
alter table account alter column x drop default
alter type mood add value 'x'
alter system set work_mem = '64MB'
alter role x set search_path = public
alter system set fsync = off
alter sequence s restart
grant select on account to x
revoke all on account from x
comment on table account is 'drop table account'
vacuum full
analyze account
reindex table account
refresh materialized view v
cluster account
import foreign schema x from server y into z
reassign owned by x to y
copy account from stdin
copy account from '/tmp/x'
select setval('s', 1)
select nextval('s')
select my_function(1)
select public.now()
select "Lower"('a')
select pg_terminate_backend(1)
select pg_cancel_backend(1)
select set_config('search_path', 'x', false)
select pg_reload_conf()
select pg_switch_wal()
select pg_notify('a', 'b')
select pg_advisory_lock(1)
select count(*) from my_function()
values (my_function())
set zero_damaged_pages = on
commit prepared 'x'
explain analyze insert into account values (1)
explain (analyze true) insert into account values (1)
explain ("analyze") insert into account values (1)
prepare a as insert into account values (1)
begin; insert into account values (1); rollback
explain analyze create table x as select 1
"""

DESTROYING = r"""
drop table account
DROP TABLE account
dRoP/**/table account
drop/* a /* b */ c */database x
 drop table account
/* */ truncate account
truncate account, entry cascade
delete from account
delete from account where id = 1
delete from only account
update account set name = 'a'
update account set name = 'a' where true
update account set name = 'a' where 1 = 1
update account set name = (select 1 where true)
with a as (select 1) update account set name = 'a'
with a as (select 1) delete from account
with a as (delete from account returning *) select * from a
with a as materialized (delete from account returning *) select * from a
with a as (select 1), b as (with c as (select 1) delete from account returning *) select 1
insert into x with a as (delete from account returning *) select * from a
select * from (with a as (delete from account returning *) select 1) b
merge into a using b on a.id = b.id when matched then delete
drop owned by x
drop schema public cascade
alter table account drop column name
alter table account drop name
alter table account drop "constraint"
alter table account drop if exists name
alter table account add x int, drop y
alter table account alter column x type int
alter table account alter x type int using x::int
alter table account alter column x set data type int
alter table account set unlogged
alter extension a drop table b
alter system set archive_command = 'rm -rf /'
alter system set restore_command = 'x'
alter database x set session_preload_libraries = 'y'
alter role x set standard_conforming_strings = off
do $$ begin delete from account; end $$
do 'begin end'
call p()
load 'x'
copy account to '/var/lib/postgresql/data/x'
copy account to program 'cat'
copy account from program 'cat'
copy (delete from account returning *) to stdout
explain analyze delete from account
explain (analyze) delete from account
EXPLAIN (verbose, ANALYZE on) delete from account
explain analyse verbose delete from account
explain analyze with a as (delete from account returning *) select 1
explain analyze explain delete from x; drop table x
prepare a as delete from account
prepare a (int) as delete from account
rollback prepared 'x'
select lo_unlink(1)
select pg_catalog.lo_unlink(1)
select "lo_unlink"(1)
select lo_unlink /* x */ (1)
select public.delete_everything()
select drop_tables()
select dblink_exec('x', 'delete from account')
select dblink('drop table x')
select query_to_xml('select 1', true, true, '')
select ts_stat('select 1')
select pg_file_unlink('x')
select pg_promote()
select pg_drop_replication_slot('x')
select * from pg_logical_slot_get_changes('x', null, null)
select set_config('session_replication_role', 'replica', false)
select set_config('session_' || 'replication_role', 'replica', false)
select lo_export(1, '/tmp/x')
set session_replication_role = replica
set standard_conforming_strings = off
set local "session_replication_role" to replica
delete from pg_class
update pg_class set relname = 'x' where oid = 1
insert into pg_catalog.pg_class values (1)
select 1; drop table account
select 1;;; drop table account;
select '\'; drop table account; --'
select '\' ; select '; drop table account; --'
select 'a
drop table account
select 'a' 'b"
select "a
select $$a
select $a$ $b$
select /* a
select /* /* */
select E'\'
select U&"d\0072op"(1)
\dt
\! rm
select 1 \; drop table account
select 1 \g
select 1 \gexec
frobnicate
1
'drop table account'
"drop" table account
set
explain (analyze)
copy account
create rule r as on insert to a do (delete from a; delete from b)
begin; delete from account; rollback
"""


def several(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.strip()]


KNOWN = r"""
drop table account
DROP TABLE IF EXISTS account CASCADE
drop database ledgerflow_dev
drop schema public cascade
drop owned by ledgerflow_dev
truncate account
TRUNCATE TABLE ONLY account RESTART IDENTITY
delete from account
delete from only account
with gone as (delete from account returning *) select * from gone
with a as (select 1) delete from account
begin; delete from account; commit
select 1; drop table account
explain analyze delete from account
update account set name = null
update account a set name = null from (select 1) s
alter table account drop column name
alter table account add column x int, drop column name cascade
"""
"""The table of known losses: refused in prod, whatever there is of backups."""


@pytest.mark.parametrize("text", several(READING))
def test_what_reads_is_no_known_loss(text: str) -> None:
    assert of_sql(text).effect is not Effect.DESTROYS, of_sql(text).what


def test_most_of_what_reads_is_known_to() -> None:
    known = [text for text in several(READING) if of_sql(text).effect is Effect.READS]
    assert len(known) / len(several(READING)) > 0.6


@pytest.mark.parametrize("text", [*several(CHANGING), *several(DESTROYING)])
def test_what_changes_or_destroys_is_never_said_to_read(text: str) -> None:
    assert of_sql(text).effect is not Effect.READS


@pytest.mark.parametrize("text", several(CHANGING))
def test_a_change_is_no_known_loss(text: str) -> None:
    assert of_sql(text).effect is Effect.UNCERTAIN, of_sql(text).what


@pytest.mark.parametrize("text", several(KNOWN))
def test_known_losses(text: str) -> None:
    assert of_sql(text).effect is Effect.DESTROYS, of_sql(text).what


@pytest.mark.parametrize("where", ["(true)", "2=2", "id = id", "true or id = 1", "1 = 1", "id = 1"])
def test_a_condition_is_not_weighed(where: str) -> None:
    """Whether it holds for every row cannot be known here: a backup insures both."""
    for text in (f"update account set id = 0 where {where}", f"delete from account where {where}"):
        assert of_sql(text).effect is Effect.UNCERTAIN


QUIET = st.lists(
    st.sampled_from([" ", "\n", "\t", "\r\n", "/**/", "/* drop */", "/* /* ' */ \" */", "-- x '\n"]),
    max_size=4,
).map("".join)
CLOSED = [text for text in several(DESTROYING) if text.count("'") % 2 == 0 and not set(text) & set('"$*')]
"""Those without a quote or comment that what follows may close."""
HARMFUL = st.sampled_from([*several(KNOWN), *CLOSED])


@given(HARMFUL, QUIET, QUIET)
@examples(300)
def test_comments_and_white_space_hide_nothing(text: str, before: str, after: str) -> None:
    assert of_sql(f"{before}{text}\n{after}").effect is not Effect.READS


@given(HARMFUL, st.lists(st.sampled_from(several(READING)), max_size=3), st.booleans())
@examples(300)
def test_nothing_hides_among_other_statements(text: str, others: list[str], first: bool) -> None:
    together = "\n;".join([text, *others] if first else [*others, text])
    assert of_sql(together).effect is not Effect.READS


PLAIN = [text for text in several(KNOWN) if not set(text) & set("'\"$\\/-")]


@given(st.sampled_from(PLAIN), st.sampled_from([" ", "/**/", "\n", "/* x */ ", "-- y\n"]))
@examples(200)
def test_case_and_comments_between_words_hide_no_known_loss(text: str, gap: str) -> None:
    assert of_sql(text.upper().replace(" ", gap + " ")).effect is Effect.DESTROYS


SAID = st.lists(
    st.sampled_from(["drop table x", "delete from y", "''", ";", "--", "/*", "truncate z", " "]), max_size=5
).map("".join)


@given(SAID)
@examples(200)
def test_what_stands_in_quotes_is_no_known_loss(said: str) -> None:
    assert of_sql(f"select '{said}' as \"{said}\", 1").effect is not Effect.DESTROYS
    assert of_sql(f"select $q${said}$q$; select 1").effect is not Effect.DESTROYS


BITS = "select|drop|(|)|'|\"|$$|$a$|--|/*|*/|\\|;|with|as|explain|analyze|copy|to|from|set|E'|U&|,|.|x|delete"


@given(st.text(max_size=60) | st.lists(st.sampled_from(BITS.split("|")), max_size=12).map(" ".join))
@examples(400)
def test_nothing_raises(text: str) -> None:
    found = of_sql(text)
    assert isinstance(found, DataEffect)


def test_what_is_said_to_read_leaves_a_real_server_as_it_was(database: Database) -> None:
    """Every statement of the table is really run, in a session of its own, and the seal compared."""
    name = str(database.parameters["dbname"])
    with database.connect() as connection:
        connection.execute("CREATE TABLE public.account (id int, name text)")
        connection.execute("INSERT INTO public.account VALUES (1, 'a'), (2, 'b')")
        before = read_seal(connection, full=True)
    for text in several(READING):
        done = subprocess.run(
            [bundled_tools().path("psql"), "-X", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            env={**database.variables(), "PGOPTIONS": "-c search_path=public"},
            stdin=subprocess.DEVNULL,
        )
        assert not done.returncode, f"{text}: {done.stderr}"
    with database.connect() as connection:
        assert read_seal(connection, full=True) == before
        assert before.content
    assert name.startswith("books_")


def test_the_harmless_functions_of_the_list_are_the_servers_own(database: Database) -> None:
    """If a listed name is not the server's own function, anybody may define one of that name."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        ).fetchall()
    known = {name for (name,) in rows}
    assert not sorted(HARMLESS - NO_CALLS - known)
