"""One of each kind of object that a dump can carry: it is restored, and a difference is reported."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import LoadOptions
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.comparison import ddl_comparison, public_schema
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import RestoreRequest, RollbackRequest
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops.operations.verification import restored_contents
from ledgerflow_ops.operations.verification.restored_ddl import compare_restored_ddl
from ledgerflow_ops_tests import builders, databases
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.servers import Server

_PUBLIC = re.compile(
    r"^-- Name: SCHEMA public; Type: ACL;.*?(?=^-- Name:|^-- PostgreSQL)", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Change:
    """A change to the copy, the object that must be reported, and the first version that has it."""

    sql: str
    told: str
    since: int = 14


CHANGES = (
    Change("ALTER SCHEMA other OWNER TO every_owner", "schema other"),
    Change("ALTER TYPE every.colour ADD VALUE 'blue'", "type every.colour"),
    Change("ALTER TYPE every.pair ADD ATTRIBUTE c integer CASCADE", "type every.pair"),
    Change("DROP TYPE every.undefined", "type every.undefined: it is in the dump and missing"),
    Change("ALTER DOMAIN every.positive DROP CONSTRAINT above", "domain every.positive"),
    Change("COMMENT ON DOMAIN every.positive IS 'changed'", "comment every.DOMAIN positive"),
    Change("DROP TYPE every.span", "type every.span"),
    Change("ALTER FUNCTION every.plus(integer, integer) RESET work_mem", "function every.plus"),
    Change("ALTER FUNCTION every.on_ddl() SECURITY DEFINER", "function every.on_ddl"),
    Change("ALTER PROCEDURE every.work(integer) OWNER TO every_owner", "procedure every.work"),
    Change("DROP AGGREGATE every.total(integer)", "aggregate every.total"),
    Change("ALTER OPERATOR every.@+ (integer, integer) OWNER TO every_owner", "operator every.@+"),
    Change(
        "ALTER OPERATOR FAMILY every.family USING btree OWNER TO every_owner", "operator family every.family"
    ),
    Change("ALTER OPERATOR CLASS every.class USING btree OWNER TO every_owner", "operator class every.class"),
    Change("DROP CAST (every.colour AS text)", "cast CAST (every.colour AS text)"),
    Change("DROP TRANSFORM FOR money LANGUAGE sql", "transform TRANSFORM FOR money LANGUAGE sql"),
    Change("ALTER CONVERSION every.conversion OWNER TO every_owner", "conversion every.conversion"),
    Change("ALTER COLLATION every.plain OWNER TO every_owner", "collation every.plain"),
    Change("ALTER LANGUAGE every_language OWNER TO every_owner", "procedural language every_language"),
    Change(
        "ALTER TEXT SEARCH DICTIONARY every.dictionary (STOPWORDS)", "text search dictionary every.dictionary"
    ),
    Change(
        "ALTER TEXT SEARCH CONFIGURATION every.configuration DROP MAPPING FOR word",
        "text search configuration every.configuration",
    ),
    Change("DROP TEXT SEARCH TEMPLATE every.template", "text search template every.template"),
    Change("DROP TEXT SEARCH PARSER every.parser", "text search parser every.parser"),
    Change(
        "ALTER FOREIGN DATA WRAPPER every_wrapper OPTIONS (SET debug 'false')", "data wrapper every_wrapper"
    ),
    Change("ALTER SERVER every_server OPTIONS (SET host 'b')", "server every_server"),
    Change(
        "REVOKE USAGE ON FOREIGN SERVER every_granted FROM every_reader", "acl FOREIGN SERVER every_granted"
    ),
    Change(
        "ALTER USER MAPPING FOR every_reader SERVER every_server OPTIONS (SET password 'other')",
        "user mapping USER MAPPING every_reader SERVER every_server: it is not as the dump makes it",
    ),
    Change(
        "ALTER FOREIGN TABLE every.remote ALTER a OPTIONS (SET column_name 'y')", "foreign table every.remote"
    ),
    Change("ALTER SEQUENCE every.counter NO CYCLE", "sequence every.counter"),
    Change("ALTER TABLE every.plain_table ALTER b SET DEFAULT 'y'", "table every.plain_table"),
    Change("ALTER TABLE every.stored ALTER a SET STORAGE EXTENDED", "column every.stored.a"),
    Change("ALTER TABLE every.stored ALTER b RESET (n_distinct)", "column every.stored.b"),
    Change("ALTER TABLE every.measured ALTER a SET STATISTICS 78", "table every.measured"),
    Change("ALTER TABLE every.options RESET (toast.autovacuum_enabled)", "table every.options"),
    Change("ALTER TABLE every.methodical SET ACCESS METHOD heap", "its access method is heap", 15),
    Change("ALTER TABLE every.identity ALTER a SET GENERATED ALWAYS", "column every.identity.a"),
    Change("ALTER TABLE every.identity ALTER b DROP EXPRESSION", "column every.identity.b"),
    Change("ALTER TABLE every.clustered SET WITHOUT CLUSTER", "index every.clustered_a"),
    Change("ALTER TABLE every.replicated REPLICA IDENTITY FULL", "table every.replicated"),
    Change(
        "ALTER INDEX every.indexed_expression ALTER COLUMN 1 SET STATISTICS 3",
        "index every.indexed_expression",
    ),
    Change("ALTER TABLE every.referring DROP CONSTRAINT referring_a_fkey", "constraint referring_a_fkey"),
    Change("ALTER TABLE every.checked DROP CONSTRAINT small", "constraint small on every.checked"),
    Change("ALTER TABLE every.unchecked VALIDATE CONSTRAINT later", "constraint later on every.unchecked"),
    Change("ALTER TABLE every.triggered ENABLE TRIGGER fires", "trigger fires on every.triggered"),
    Change("ALTER TABLE every.ruled DISABLE RULE nothing", "rule nothing on every.ruled"),
    Change("ALTER POLICY visible ON every.guarded TO every_reader", "policy visible on every.guarded"),
    Change("ALTER TABLE every.guarded DISABLE ROW LEVEL SECURITY", "row security every.guarded"),
    Change("ALTER TABLE every.child NO INHERIT every.parent", "table every.child"),
    Change("ALTER TABLE every.parted DETACH PARTITION every.rest", "table attach every.rest"),
    Change("DROP INDEX every.parted_b", "index every.parted_b"),
    Change("ALTER TABLE every.typed NOT OF", "table every.typed"),
    Change("ALTER TABLE every.unlogged SET LOGGED", "table every.unlogged"),
    Change("REVOKE GRANT OPTION FOR UPDATE ON every.granted FROM every_reader", "acl every.TABLE granted"),
    Change(
        "REVOKE SELECT (a) ON every.column_granted FROM every_reader", "acl every.COLUMN column_granted.a"
    ),
    Change("ALTER TABLE every.owned OWNER TO every_reader", "table every.owned"),
    Change("COMMENT ON COLUMN every.commented.a IS NULL", "comment every.COLUMN commented.a"),
    Change("ALTER STATISTICS every.statistics OWNER TO every_owner", "statistics every.statistics"),
    Change(
        "CREATE OR REPLACE VIEW every.view WITH (security_barrier) AS SELECT a, b FROM every.plain_table",
        "view every.view",
    ),
    Change(
        "REFRESH MATERIALIZED VIEW every.materialised WITH NO DATA", "materialized view every.materialised"
    ),
    Change(
        "ALTER PUBLICATION every_publication DROP TABLE every.plain_table",
        "publication table every.every_publication plain_table",
    ),
    Change("ALTER PUBLICATION every_all SET (publish = 'delete')", "publication every_all"),
    Change("ALTER EVENT TRIGGER every_event ENABLE", "event trigger every_event"),
    Change("REVOKE SELECT ON LARGE OBJECT 4711 FROM every_reader", "large object grants"),
    Change("COMMENT ON LARGE OBJECT 4712 IS 'changed'", "comment on large object 4712"),
    Change(
        "ALTER DEFAULT PRIVILEGES FOR ROLE every_owner IN SCHEMA every"
        " REVOKE SELECT ON TABLES FROM every_reader",
        "default acl every.DEFAULT PRIVILEGES FOR TABLES",
    ),
    Change(
        "REVOKE EXECUTE ON FUNCTION pg_sleep(double precision) FROM every_reader",
        "acl pg_catalog.FUNCTION pg_sleep",
    ),
    Change("GRANT USAGE ON LANGUAGE every_language TO PUBLIC", "acl LANGUAGE every_language"),
    Change(
        "ALTER PUBLICATION every_filtered SET TABLE every.published (a) WHERE (a > 4)",
        "every_filtered published",
        15,
    ),
    Change("ALTER PUBLICATION every_schemas SET TABLES IN SCHEMA other", "every_schemas", 15),
    Change("ALTER VIEW every.invoked RESET (security_invoker)", "view every.invoked", 15),
    Change("COMMENT ON SCHEMA public IS 'changed'", "comment SCHEMA public", 15),
    Change("GRANT CREATE ON SCHEMA public TO every_reader", "schema public"),
    Change("GRANT USAGE ON LANGUAGE plpgsql TO every_reader", "acl LANGUAGE plpgsql"),
    Change("GRANT SELECT (prosrc) ON pg_catalog.pg_proc TO every_reader", "COLUMN pg_proc.prosrc"),
    Change(
        "ALTER DEFAULT PRIVILEGES FOR ROLE every_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "DEFAULT PRIVILEGES FOR FUNCTIONS",
    ),
    Change("ALTER TYPE every.base OWNER TO every_reader", "type every.base"),
    Change("ALTER TYPE every.words OWNER TO every_owner", "type every.words"),
    Change("ALTER DOMAIN every.code DROP NOT NULL", "domain every.code"),
    Change(
        "ALTER OPERATOR FAMILY every.wide USING btree DROP OPERATOR 1 (bigint, int4)",
        "operator family every.wide",
    ),
    Change(
        "ALTER OPERATOR CLASS every.empty_class USING btree SET SCHEMA other",
        "operator class every.empty_class",
    ),
    Change("DROP TYPE every.custom_span", "type every.custom_span"),
    Change("DROP CAST (timestamptz AS interval)", "cast CAST (timestamp with time zone AS interval)"),
    Change("ALTER FUNCTION every.supported() SUPPORT pg_catalog.numeric_support", "every.supported"),
    Change("DROP FUNCTION every.of_keyed()", "function every.of_keyed"),
    Change("ALTER TABLE every.full_table ALTER c SET STORAGE EXTENDED", "table every.full_table"),
    Change("ALTER TABLE every.packed ALTER a SET COMPRESSION DEFAULT", "table every.packed"),
    Change(
        "ALTER MATERIALIZED VIEW every.packed_view ALTER b SET COMPRESSION DEFAULT",
        "materialized view every.packed_view",
    ),
    Change("ALTER TABLE every.full_table NO FORCE ROW LEVEL SECURITY", "table every.full_table"),
    Change("DROP POLICY p6 ON every.full_table", "policy p6 on every.full_table"),
    Change("ALTER TABLE every.parted_key DROP CONSTRAINT parted_key_a_fkey", "parted_key_a_fkey"),
    Change("ALTER TABLE every.generates_2 NO INHERIT every.generates", "table every.generates_2"),
    Change("ALTER TABLE other.measurement_3 ENABLE TRIGGER counts", "other.measurement_3"),
    Change("ALTER TABLE other.measurement_5 ENABLE TRIGGER counts", "other.measurement_5"),
    Change("ALTER TABLE other.measurement_2 ALTER sales DROP DEFAULT", "column other.measurement_2.sales"),
    Change("ALTER INDEX every.several ALTER COLUMN 3 SET STATISTICS 7", "index every.several"),
    Change("ALTER STATISTICS every.many_statistics SET STATISTICS 7", "statistics every.many_statistics"),
    Change("ALTER VIEW every.checked_view ALTER a DROP DEFAULT", "column every.checked_view.a"),
    Change("ALTER VIEW every.checked_view SET (check_option = cascaded)", "view every.checked_view"),
    Change("REFRESH MATERIALIZED VIEW every.mat_3", "materialized view every.mat_3"),
    Change("ALTER MATERIALIZED VIEW every.mat_1 SET WITHOUT CLUSTER", "index every.mat_1_a"),
    Change("DROP TRIGGER statement ON every.plain_table", "trigger statement on every.plain_table"),
    Change("DROP TRIGGER deferred ON every.plain_table", "trigger deferred on every.plain_table"),
    Change("ALTER EVENT TRIGGER every_start ENABLE", "event trigger every_start"),
    Change("ALTER EVENT TRIGGER every_replica ENABLE", "event trigger every_replica"),
    Change("ALTER LARGE OBJECT 4713 OWNER TO every_reader", "large objects"),
    Change("REVOKE USAGE ON FOREIGN DATA WRAPPER every_wrapper FROM every_reader", "every_wrapper"),
    Change("REVOKE USAGE ON TYPE every.base FROM PUBLIC", "acl every.TYPE base"),
    Change("ALTER PUBLICATION every_nothing SET (publish = 'insert')", "publication every_nothing"),
    Change("ALTER PUBLICATION every_root SET (publish_via_partition_root = false)", "publication every_root"),
    Change(
        "ALTER SUBSCRIPTION every_feed CONNECTION 'dbname=doesnotexist password=never_told_either'",
        "subscription every_feed: it is not as the dump makes it",
    ),
    Change("ALTER SUBSCRIPTION every_slotless OWNER TO every_superuser", "subscription every_slotless"),
    Change("COMMENT ON SUBSCRIPTION every_feed IS NULL", "comment SUBSCRIPTION every_feed"),
    Change("COMMENT ON CONSTRAINT later ON every.unchecked IS NULL", "CONSTRAINT later ON unchecked"),
    Change("COMMENT ON TRIGGER fires ON every.triggered IS 'changed'", "TRIGGER fires ON triggered"),
    Change(
        "ALTER PUBLICATION every_columns SET TABLE every.keyed_15 (a), every.measurement (city, logdate)",
        "every_columns keyed_15",
        15,
    ),
    Change("ALTER PUBLICATION every_schemas DROP TABLES IN SCHEMA other", "every_schemas other", 15),
    Change("ALTER SUBSCRIPTION every_two_phase SET (disable_on_error = false)", "every_two_phase", 15),
    Change("ALTER SUBSCRIPTION every_origin SET (origin = any)", "subscription every_origin", 16),
    Change("ALTER SUBSCRIPTION every_failover SET (slot_name = 'x')", "subscription every_failover", 17),
    Change("REVOKE MAINTAIN ON every.full_table FROM every_reader", "acl every.TABLE full_table", 17),
    Change("DROP COLLATION every.builtin", "collation every.builtin", 17),
    Change("ALTER EVENT TRIGGER every_login DISABLE", "event trigger every_login", 17),
    Change("ALTER TABLE every.nn VALIDATE CONSTRAINT nn", "nn on every.nn", 18),
    Change("COMMENT ON CONSTRAINT nn ON every.nn_child_2 IS NULL", "CONSTRAINT nn ON nn_child_2", 18),
    Change("ALTER TABLE every.nn_alone ALTER CONSTRAINT nn_alone_a_not_null INHERIT", "every.nn_alone", 18),
    Change(
        "ALTER TABLE every.periods_unique DROP CONSTRAINT periods_unique_a_b_key",
        "periods_unique_a_b_key",
        18,
    ),
    Change(
        "ALTER TABLE every.referring_loosely ALTER CONSTRAINT referring_loosely_a_fkey ENFORCED",
        "referring_loosely_a_fkey",
        18,
    ),
    Change(
        "ALTER PUBLICATION every_generated SET (publish_generated_columns = none)",
        "publication every_generated",
        18,
    ),
    Change(
        "ALTER DEFAULT PRIVILEGES FOR ROLE every_owner REVOKE SELECT ON LARGE OBJECTS FROM every_reader",
        "DEFAULT PRIVILEGES FOR LARGE OBJECTS",
        18,
    ),
    Change("ALTER TABLE every.parted_method SET ACCESS METHOD DEFAULT", "table every.parted_method", 17),
    Change("ALTER TABLE every.named RENAME CONSTRAINT a_is_there TO renamed", "table every.named", 18),
    Change("ALTER TABLE every.virtual ALTER b SET EXPRESSION AS (a * 3)", "table every.virtual", 18),
    Change("ALTER TABLE every.unenforced DROP CONSTRAINT loose", "constraint loose on every.unenforced", 18),
    Change(
        "ALTER TABLE every.periods DROP CONSTRAINT periods_pkey CASCADE",
        "constraint periods_pkey on every.periods",
        18,
    ),
)


REWORDED = (
    Change(
        "CREATE OR REPLACE VIEW reworded.over_rows WITH (check_option = local) AS"
        " SELECT c FROM reworded.later WHERE c IN (SELECT c FROM reworded.rows()) AND c >= 3",
        "view reworded.over_rows: owner, grants or definition differ",
    ),
    Change(
        "CREATE OR REPLACE VIEW reworded.grouped AS"
        " SELECT 'x' AS lit, count(*) AS count FROM reworded.later GROUP BY 'x'::text",
        "view reworded.grouped: it is not as the dump makes it",
    ),
    Change(
        "CREATE OR REPLACE RULE copies AS ON DELETE TO reworded.later DO ALSO"
        " INSERT INTO reworded.later SELECT -r.c FROM reworded.rows() r",
        "rule copies on reworded.later",
    ),
    Change(
        "ALTER POLICY seen ON reworded.later"
        " WITH CHECK (c > -1 AND EXISTS (SELECT FROM reworded.rows() r WHERE r.c = 5))",
        "policy seen on reworded.later",
    ),
    Change("ALTER TABLE reworded.numbers ALTER a SET DEFAULT -2", "column reworded.numbers.a"),
    Change(
        "ALTER TABLE reworded.numbers DROP CONSTRAINT over, ADD CONSTRAINT over CHECK (b < -2)",
        "constraint over on reworded.numbers",
    ),
    Change(
        "ALTER TABLE reworded.numbers DROP CONSTRAINT apart,"
        " ADD CONSTRAINT apart EXCLUDE USING gist (r WITH &&) WHERE (a > -3)",
        "constraint apart on reworded.numbers",
    ),
    Change(
        "DROP INDEX reworded.by_number; CREATE INDEX by_number ON reworded.numbers"
        " ((b * -1), (CASE WHEN b > 6 THEN t END))",
        "index by_number on reworded.numbers",
    ),
    Change(
        "CREATE OR REPLACE TRIGGER on_part AFTER UPDATE ON reworded.parted FOR EACH ROW WHEN (new.a > 1)"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "trigger on_part on reworded.parted",
    ),
    Change("ALTER DOMAIN reworded.defaulted SET DEFAULT 1", "type reworded.defaulted"),
    Change("ALTER MATERIALIZED VIEW reworded.lengthless RENAME c TO d", "column reworded.lengthless.c"),
    Change("GRANT SELECT (c) ON reworded.kept_rows TO every_reader", "column reworded.kept_rows.c"),
    Change(
        "ALTER PUBLICATION reworded_numbers SET TABLE reworded.numbers (a, b) WHERE (b > 1)",
        "publication table reworded.reworded_numbers numbers",
        15,
    ),
)
"""Done to what a load words otherwise, which is compared no less."""


@pytest.fixture(scope="module", params=servers.MAJORS)
def server(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.of_major(request.param)) as server,
    ):
        run_statements(server.database, "CREATE ROLE every_owner", "CREATE ROLE every_reader")
        run_statements(
            server.database,
            "CREATE ROLE somebody_else SUPERUSER LOGIN",
            "CREATE ROLE every_superuser SUPERUSER",
        )
        run_statements(server.database, 'CREATE ROLE "every ""odd""  \\ role"')
        yield server


@pytest.fixture
def everything(server: Server) -> Iterator[Database]:
    parts = databases.version_parts("everything.sql", server.cluster.tools.major)
    with databases.temporary_database(server.database) as database:
        run_statements(database, *parts)
        yield database


def text(server: Server, database: Database) -> str:
    """The database as its server's own pg_dump writes it. None before 15 keeps the owner of schema public."""
    quiet = database.without_event_triggers() if server.cluster.tools.major >= 17 else database
    pg_dump = server.cluster.tools.path("pg_dump")
    done = process.run([pg_dump, "--create", "--restrict-key=x"], extra=quiet.variables())
    assert done.code == 0, done.errors
    if server.cluster.tools.major < 15:
        return _PUBLIC.sub("", done.out.decode())
    return done.out.decode()


def test_each_kind_is_restored_and_each_change_of_one_is_reported(
    root: Path, server: Server, everything: Database
) -> None:
    """By another superuser than the one who made it all."""
    programs = server.cluster.tools
    if programs.origin == "fetched":
        servers.lend(root / "state", programs)
    env = builders.env(root, everything.as_user("somebody_else"), rules=[])
    manifest, before = sandboxes.take_backup(env), text(server, everything)
    run_statements(everything, "CREATE TABLE public.made_after_the_backup (a integer)")
    after = text(server, everything)
    restored = restore.restore(
        env, RestoreRequest(environment=Environment.DEV, file=manifest.dump.file, force=True)
    )
    assert restored.bad is None
    assert restored.safety is not None
    assert {note.cause for note in restored.plan.warnings} >= {"subscriptions"}
    safety = catalog.entry(env, BackupName.of(restored.safety))
    assert safety.proof is not None
    assert safety.proof.rung is Rung.VALID, "a drill has shown it"
    assert text(server, everything) == before
    file = backup_folder_of(env).file(BackupName.of(manifest.dump.file).dump)
    dumped = archive.read_definitions(programs, file)

    def told() -> list[str]:
        with everything.connect() as connection:
            found = source.read_contents(connection)
        sealed = public_schema.as_dumped(
            manifest.seal, found.seal, found.public, programs.major, programs.major
        )
        differences = facts_equal(sealed, found.seal, same_major=True)
        differences += ddl_comparison.compare_ddl(dumped, archive.dump_definitions(programs, everything))
        return [one.sentence for one in differences]

    assert told() == []
    made = [change for change in CHANGES if change.since <= programs.major]
    run_statements(everything, *(change.sql for change in made))
    sentences = told()
    missed = [change.sql for change in made if not any(change.told in one for one in sentences)]
    assert missed == [], "\n".join(sentences)
    assert not any("never" in one for one in sentences)
    rollback.rollback(env, RollbackRequest(environment="dev", force=True))
    assert text(server, everything) == after
    (away,) = restore_leftovers.previous_databases(env)
    restore_leftovers.discard(env, away.name)
    assert restore_leftovers.previous_databases(env) == [], "its subscriptions kept nobody from dropping it"


def test_what_a_load_words_otherwise_is_no_difference_and_each_change_of_it_is_reported(
    root: Path, server: Server
) -> None:
    programs = server.cluster.tools
    if programs.origin == "fetched":
        servers.lend(root / "state", programs)
    somebody = server.database.as_user("somebody_else")
    with (
        databases.temporary_database(server.database) as database,
        databases.temporary_database(somebody) as copy,
    ):
        run_statements(database, *databases.version_parts("reworded.sql", programs.major))
        env = builders.env(root, database, rules=[])
        manifest = sandboxes.take_backup(env)
        file = backup_folder_of(env).file(BackupName.of(manifest.dump.file).dump)
        assert archive_loader.load_archive(programs, copy, file, LoadOptions(2)).code == 0

        def told(sealed: Manifest = manifest) -> list[str]:
            with copy.connect() as connection:
                look = source.read_contents(connection)
            scratch = partial(databases.temporary_database, somebody)
            redumped = compare_restored_ddl(env.ctx, sealed, file, copy, programs, scratch)
            seal = restored_contents.expected_seal(sealed, look, programs.major, redumped)
            differences = facts_equal(seal, look.seal, same_major=True)
            return [one.sentence for one in (*differences, *redumped.differences)]

        assert told() == []
        with database.connect() as connection:
            earlier = source.read_contents(connection).earlier
        assert {name.split()[0] for name in earlier} - {"trigger"} == {"column", "index", "type"}
        objects = {**manifest.seal.objects, **earlier}
        before = {"notes": None, "seal": manifest.seal.model_copy(update={"objects": objects})}
        assert told(manifest.model_copy(update=before)) == [], "as an earlier version sealed it"
        made = [change for change in REWORDED if change.since <= programs.major]
        run_statements(copy, *(change.sql for change in made))
        sentences = told()
    missed = [change.sql for change in made if not any(change.told in one for one in sentences)]
    assert missed == [], "\n".join(sentences)
