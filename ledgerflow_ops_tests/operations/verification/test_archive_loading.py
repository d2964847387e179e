"""A loaded archive is exactly what was dumped, whatever triggers there are on rows and DDL."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import SOURCE
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, Refused
from ledgerflow_ops.core.monitoring import proof_findings
from ledgerflow_ops.core.operation_requests import BackupRequest, RollbackRequest
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import rollback
from ledgerflow_ops.operations.retention import pins
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import databases, needs
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import roundtrips, sandboxes, servers
from ledgerflow_ops_tests.fakes.roundtrips import Case
from ledgerflow_ops_tests.fakes.servers import Server

Make = Callable[..., Case]

AUDIT = """
CREATE TABLE audit (id serial, who text, what text);
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (who, what) VALUES (session_user, tg_tag); END $$;
CREATE TABLE t (a int PRIMARY KEY, b text);
INSERT INTO t SELECT g, 'x' || g FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;
CREATE EVENT TRIGGER e_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
COMMENT ON EVENT TRIGGER e_ddl IS 'what the audit hangs on';
CREATE EVENT TRIGGER e_off ON sql_drop EXECUTE FUNCTION on_ddl();
ALTER EVENT TRIGGER e_off DISABLE;
"""
LOGIN = """
CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (who, what) VALUES (session_user, 'login'); END $$;
CREATE EVENT TRIGGER e_login ON login EXECUTE FUNCTION on_login();
"""
GATE = """
CREATE TABLE allowed (who name PRIMARY KEY);
INSERT INTO allowed VALUES ('postgres');
CREATE FUNCTION gate() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM public.allowed WHERE who = session_user) THEN
        RAISE EXCEPTION 'not for you';
    END IF;
END $$;
CREATE EVENT TRIGGER gate ON login EXECUTE FUNCTION gate();
ALTER EVENT TRIGGER gate ENABLE ALWAYS;
"""
PARTITIONED = """
CREATE TABLE audit (id int);
CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (id) VALUES (new.id); RETURN new; END $$;
CREATE TABLE ev (id int, d int) PARTITION BY RANGE (d);
SELECT format('CREATE TABLE ev_%s PARTITION OF ev FOR VALUES FROM (%s) TO (%s)', g, g * 30, (g + 1) * 30)
    FROM generate_series(0, 19) g \\gexec
CREATE TRIGGER ev_log AFTER INSERT ON ev FOR EACH ROW EXECUTE FUNCTION log_it();
CREATE MATERIALIZED VIEW days AS SELECT d, count(*) FROM ev GROUP BY d;
CREATE FUNCTION many() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.ev';
CREATE MATERIALIZED VIEW through_a_function AS SELECT many();
INSERT INTO ev SELECT g, g % 600 FROM generate_series(1, 6000) g;
CREATE TABLE deep (a int, b int) PARTITION BY LIST (a);
CREATE TABLE deep_1 PARTITION OF deep FOR VALUES IN (1) PARTITION BY LIST (b);
SELECT format('CREATE TABLE deep_1_%s PARTITION OF deep_1 FOR VALUES IN (%s)', g, g)
    FROM generate_series(0, 9) g \\gexec
CREATE TRIGGER deep_log AFTER UPDATE ON deep FOR EACH ROW EXECUTE FUNCTION log_it();
SELECT format('ALTER TABLE deep_1_%s DISABLE TRIGGER deep_log', g) FROM generate_series(0, 9) g \\gexec
REFRESH MATERIALIZED VIEW days;
REFRESH MATERIALIZED VIEW through_a_function;
"""
PLACED_ANEW = """
CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'black', 'white', 'grey', 'pink');
CREATE TABLE p (c colour, n numeric, "Odd; name" text) PARTITION BY HASH (c);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE p1 ("Odd; name" text, n numeric, c colour);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY RANGE (n);
CREATE TABLE p2_low PARTITION OF p2 FOR VALUES FROM (MINVALUE) TO (300);
CREATE TABLE "p2; Type: TABLE DATA; Schema: x" PARTITION OF p2 FOR VALUES FROM (300) TO (MAXVALUE);
INSERT INTO p SELECT (enum_range(NULL::colour))[1 + g % 7], g / 4.0, E'tab\\t' || g || E'\\n'
    FROM generate_series(1, 2100) g;
CREATE TABLE beside (a int, b text) PARTITION BY HASH (a);
CREATE TABLE beside_0 PARTITION OF beside FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO beside SELECT g, 'x' FROM generate_series(1, 100) g;
"""
POSTGIS = """
CREATE EXTENSION postgis;
CREATE EXTENSION postgis_topology;
CREATE EXTENSION fuzzystrmatch;
CREATE EXTENSION postgis_tiger_geocoder;
CREATE TABLE places (id int PRIMARY KEY, g geometry(Point, 4326));
INSERT INTO places SELECT g, ST_SetSRID(ST_MakePoint(g, g), 4326) FROM generate_series(1, 50) g;
CREATE INDEX ON places USING gist (g);
SELECT topology.CreateTopology('streets', 4326);
"""
UNQUALIFIED = """
CREATE FUNCTION inner_f(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE FUNCTION outer_f(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN inner_f(t); END $$;
CREATE TABLE t (a text, g text GENERATED ALWAYS AS (outer_f(a)) STORED, CHECK (outer_f(a) <> ''));
CREATE INDEX ON t (outer_f(a));
INSERT INTO t (a) VALUES ('x'), ('y');
"""
ORPHAN = """
CREATE TABLE m (id int PRIMARY KEY);
CREATE TABLE "D" (id int, "to m" int REFERENCES m);
INSERT INTO m VALUES (1);
SET session_replication_role = replica;
INSERT INTO "D" VALUES (1, 1), (2, 2);
"""
NEWER = """
CREATE EXTENSION pg_trgm;
CREATE FUNCTION made_in_it(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
ALTER EXTENSION pg_trgm ADD FUNCTION made_in_it(text);
CREATE VIEW v AS SELECT made_in_it('x');
SET allow_system_table_mods = on;
UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'pg_trgm';
"""
OLDER = """
CREATE EXTENSION pg_stat_statements VERSION '1.7';
CREATE VIEW v AS SELECT total_time FROM pg_stat_statements;
"""
CHANGED_CHECK = """
CREATE FUNCTION ok(a int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE TABLE t (a int CONSTRAINT positive CHECK (ok(a)));
INSERT INTO t VALUES (-1);
CREATE OR REPLACE FUNCTION ok(a int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT a > 0 $$;
"""
BY_ORDER = """
CREATE TABLE accounts (a int);
INSERT INTO accounts SELECT generate_series(1, 10);
CREATE FUNCTION known(x int) RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT EXISTS (SELECT FROM public.accounts WHERE a = x) $$;
CREATE TABLE transfers (id int, a int CHECK (known(a)), note text);
INSERT INTO transfers SELECT g, 1 + g % 10, repeat('x', g % 2000) FROM generate_series(1, 3000) g;
"""
SCATTERED = """
CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE "ts 2") TABLESPACE "ts 2";
INSERT INTO t VALUES (1);
CREATE INDEX i ON t (a) TABLESPACE ts1;
CREATE INDEX "j k" ON t (a) TABLESPACE "ts 2";
CREATE TABLE u (a int) TABLESPACE pg_default;
CREATE MATERIALIZED VIEW m TABLESPACE "ts 2" AS SELECT * FROM t;
CREATE TABLE p (a int) PARTITION BY RANGE (a) TABLESPACE "ts 2";
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
"""
PLACES = """
SELECT string_agg(relname || '=' || spcname, ' ' ORDER BY relname)
FROM pg_class c JOIN pg_tablespace s ON s.oid = reltablespace WHERE relnamespace = 'public'::regnamespace
"""
DEFAULT = (
    "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace "
    "WHERE datname = current_database()"
)


@pytest.fixture
def make(root: Path, server: Server) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(name: str, script: str, options: str = "") -> Case:
            return stack.enter_context(
                roundtrips.case(root, server, client_tools.bundled_tools(), name, script, options)
            )

        yield made


def test_event_triggers_fire_of_nothing_that_we_do(make: Make) -> None:
    case = make("audited", AUDIT + LOGIN)
    case.roundtrip("INSERT INTO t VALUES (101, 'later')")


def test_event_triggers_are_made_last_where_no_setting_turns_them_off(root: Path) -> None:
    programs = servers.debian_15()
    with (
        servers.server(root, programs) as server,
        roundtrips.case(root, server, programs, "audited_15", AUDIT) as case,
    ):
        case.roundtrip("INSERT INTO t VALUES (101, 'later')")


def test_extensions_whose_scripts_rely_on_the_search_path_are_loaded(root: Path) -> None:
    """PostGIS with topology and the tiger geocoder, whose tables keep rows that no dump holds."""
    if not Path("/usr/share/postgresql/15/extension/postgis_tiger_geocoder.control").exists():
        needs.missing("PostGIS for PostgreSQL 15 (Debian: postgresql-15-postgis-3)")
    programs = servers.debian_15()
    with (
        servers.server(root, programs) as server,
        roundtrips.case(root, server, programs, "places", POSTGIS) as case,
    ):
        case.roundtrip("DELETE FROM places WHERE id = 3")


def test_a_gate_lets_the_drill_in_and_stands_again_after_the_restore(make: Make) -> None:
    case = make("gated", GATE)
    case.roundtrip("INSERT INTO allowed VALUES ('somebody')")


def test_a_trigger_of_a_partitioned_table_does_not_fire_of_the_load(make: Make) -> None:
    case = make("partitioned", PARTITIONED)
    case.roundtrip("TRUNCATE audit")
    case.restored()
    assert case.ask("SELECT (SELECT count(*) FROM audit), (SELECT sum(count) FROM days)") == "6000|6000"
    assert case.ask("SELECT many FROM through_a_function") == "6000"


def test_rows_that_a_load_places_anew_are_the_same_rows(make: Make) -> None:
    case = make("placed_anew", PLACED_ANEW)
    before = case.ask("SELECT array_agg(n ORDER BY n) FROM p0")
    case.roundtrip("DELETE FROM p WHERE n = 7.25", ordered=False)
    case.restored()
    assert case.ask("SELECT array_agg(n ORDER BY n) FROM p0") != before, "no row moved to another partition"
    assert case.ask("SELECT count(*), count(DISTINCT n) FROM p") == "2100|2100"


def test_a_constraint_that_holds_only_in_the_order_of_one_job_is_loaded_so(make: Make) -> None:
    case = make("by_order", BY_ORDER)
    case.roundtrip("DELETE FROM transfers WHERE id = 7", ordered=False)


def test_what_a_server_words_otherwise_is_restored_and_an_edit_of_it_is_found(make: Make) -> None:
    case = make(
        "reworded", "".join(databases.version_parts("reworded.sql", client_tools.bundled_tools().major))
    )
    env, first = case.sandbox.env(rules=[]), case.backup()
    case.psql(
        "CREATE OR REPLACE VIEW reworded.grouped AS"
        " SELECT 'x' AS lit, count(*) FROM reworded.later GROUP BY 'x'::text, 1"
    )
    edited = BackupName.of(case.restored().safety or "")  # proven before the restore went on
    entries = {one.name.dump: one.manifest for one in case.sandbox.entries()}
    sealed, held = entries[first.dump], entries[edited.dump]
    assert sealed is not None
    assert held is not None
    # The archive of one state under the seal of the other: the same words differ, and one word means more.
    backup_folder_of(env).replace(edited.manifest, held.model_copy(update={"seal": sealed.seal}).encode())
    [check] = [one for one in drill.drill(env, edited).checks if not one.passed]
    assert check.message == (
        "1 difference from the seal:\n  view reworded.grouped: owner, grants or definition differ"
    )
    assert check.hint
    assert backup_folder_of(env).taken(edited.dump)


@pytest.mark.parametrize(
    ("script", "named", "fix"),
    [
        (
            UNQUALIFIED,
            "the function public.outer_f(text) names the function inner_f(text) without its schema",
            "ALTER FUNCTION public.outer_f(text) SET search_path = public, pg_temp;",
        ),
        (ORPHAN, 'rows of public."D" violate its foreign key "D_to m_fkey"', "DO $$.*END $$;"),
        (CHANGED_CHECK, "rows of public.t violate its check constraint positive", "DO $$.*END $$;"),
    ],
    ids=["function", "foreign key", "check"],
)
def test_a_source_that_nobody_can_restore_is_named_with_what_fixes_it(
    make: Make, script: str, named: str, fix: str
) -> None:
    """Not a damaged file: it has its own state and alert, and with the hint the next backup is valid."""
    case = make("unrestorable", script)
    name = case.backup()
    env = case.sandbox.env(rules=[])
    examination = drill.drill(env, name)
    assert examination.bad is not None
    assert examination.bad.cause == SOURCE
    assert "cannot be restored by anybody" in examination.bad.message
    assert named in examination.bad.message
    assert "another backup will not help" in examination.bad.hint
    assert case.sandbox.states() == {"first": "unrestorable"}
    listed = [backup_summary.list_dump(entry, manifest=True) for entry in case.sandbox.entries()]
    (finding,) = [
        *proof_findings.bad_backups(env.environment, listed),
        *proof_findings.unrestorable_sources(env.environment, listed),
    ]
    assert (finding.kind, finding.level) == ("unrestorable", Level.CRITICAL)
    assert named in finding.message
    statement = re.search(re.escape(fix).replace(re.escape(".*"), ".*"), str(examination.bad.hint))
    assert statement, examination.bad.hint
    case.psql(statement[0])
    sandboxes.prove_backup(env, sandboxes.take_backup(env))


def test_what_a_newer_version_of_an_extension_has_is_missed_on_this_machine_alone(make: Make) -> None:
    case = make("newer", NEWER)
    name, env = case.backup(), case.sandbox.env(rules=[])
    with pytest.raises(CannotJudge, match=r"made_in_it.* does not exist") as failure:
        drill.drill(env, name)
    assert "lacks the source's version of extensions: pg_trgm 9.9 (here: 1.6)." in failure.value.message
    assert "Install these versions here" in failure.value.hint
    assert backup_folder_of(env).taken(name.dump)


def test_what_an_older_version_of_an_extension_had_is_the_sources_own_trouble(make: Make) -> None:
    """A dump names no version, so every load creates the newest, even on the source's own server."""
    case = make("older", OLDER)
    name, env = case.backup(), case.sandbox.env(rules=[])
    bad = drill.drill(env, name).bad
    assert bad is not None
    assert (bad.cause, 'column "total_time" does not exist' in bad.message) == (SOURCE, True)
    assert "ALTER EXTENSION \"pg_stat_statements\" UPDATE TO '1.11';" in bad.hint
    case.psql("DROP VIEW v; ALTER EXTENSION pg_stat_statements UPDATE TO '1.11'")
    sandboxes.prove_backup(env, sandboxes.take_backup(env))


def test_a_source_that_nobody_can_restore_may_be_replaced_and_is_kept(make: Make) -> None:
    """By force: its safety backup holds every row, and the old database is kept until the source is fixed."""
    case = make("replaced", "CREATE TABLE t (a int)")
    env = case.sandbox.env(rules=[])
    sandboxes.prove_backup(env, sandboxes.take_backup(env, BackupRequest(file="first.dump")))
    case.psql(ORPHAN)
    spoilt = case.text()
    found = case.restored()
    (told,) = [check for check in found.checks if check.name == "safety"]
    assert "holds every row, but no server can load it" in told.message
    assert found.safety is not None
    assert pins.pin_reason(case.sandbox.env(), BackupName.of(found.safety))
    assert found.before is not None
    with pytest.raises(Refused, match="is the only usable copy") as refusal:
        restore_leftovers.discard(case.sandbox.env(), found.before)
    assert "make rollback" in refusal.value.hint
    rollback.rollback(case.sandbox.env(), RollbackRequest(environment="dev"))
    assert case.text() == spoilt


def test_what_a_source_breaks_in_a_restore_is_reported_as_such(make: Make) -> None:
    case = make("broken_target", ORPHAN)
    case.backup()
    before = case.text()
    with pytest.raises(LedgerError) as failure:
        case.restored()
    assert failure.value.exit_code == 4
    assert 'violate its foreign key "D_to m_fkey"' in failure.value.message
    assert "The live database was not touched." in failure.value.hint
    assert case.text() == before


@pytest.fixture
def tablespaces(server: Server) -> None:
    """The tablespaces ts1 and "ts 2", as far as a test has left them there."""
    place, account = server.cluster.data.parent, server.cluster.account
    with server.database.connect() as connection:
        for name in ("ts1", "ts 2"):
            (place / name).mkdir(mode=0o700)
            if account:
                os.chown(place / name, account.uid, account.gid)
            connection.execute(f"CREATE TABLESPACE \"{name}\" LOCATION '{place / name}'".encode())


def test_what_is_in_a_tablespace_comes_back_into_it_where_there_is_one(
    tablespaces: None, make: Make, server: Server
) -> None:
    case = make("scattered", SCATTERED, "TABLESPACE ts1")
    places, before = case.ask(PLACES), case.text()
    found = case.roundtrip("INSERT INTO t VALUES (2)")
    assert [note for note in found.plan.warnings if note.cause == "tablespace"] == []
    case.restored()
    assert (case.ask(PLACES), case.ask(DEFAULT)) == (places, "ts1")
    with server.database.connect() as connection:
        for name, mark in connection.execute("SELECT datname, datallowconn FROM pg_database").fetchall():
            if name.startswith("scattered") and not mark:
                connection.execute(f'DROP DATABASE "{name}"'.encode())
        connection.execute(b"DROP DATABASE scattered WITH (FORCE)")
        connection.execute(b'DROP TABLESPACE "ts 2"')
    found = case.restored()
    (note,) = [note for note in found.plan.warnings if note.cause == "tablespace"]
    assert "no tablespace ts 2" in note.message
    assert "public.t" in note.message
    assert (case.ask(PLACES), case.ask(DEFAULT)) == ("u=pg_default", "ts1")
    assert _anywhere(case.text()) == _anywhere(before)


def _anywhere(text: bytes) -> list[bytes]:
    """pg_dump's text without what it says of places."""
    lines = re.sub(rb"SET default_tablespace = .*|; Tablespace: .*", b"", text).splitlines()
    return [line for line in lines if line]
