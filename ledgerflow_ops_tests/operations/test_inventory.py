"""One of each kind of object that a dump can carry: proven when it is there, told when it is another."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import archive, loading, source
from ledgerflow_ops.adapters.loading import Load
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core import ddl
from ledgerflow_ops.core.compare import facts_equal
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops_tests import builders, databases
from ledgerflow_ops_tests.databases import run
from ledgerflow_ops_tests.fakes import grounds, servers
from ledgerflow_ops_tests.fakes.servers import Server


@dataclass(frozen=True)
class Change:
    """Something done to the copy, the object that must be told of, and the first version that has it."""

    sql: str
    told: str
    since: int = 14


CHANGES = (
    Change("ALTER SCHEMA other OWNER TO every_owner", "schema other"),
    Change("ALTER TYPE every.colour ADD VALUE 'blue'", "type every.colour"),
    Change("ALTER TYPE every.pair ADD ATTRIBUTE c integer CASCADE", "type every.pair"),
    Change("DROP TYPE every.undefined", "type every.undefined: the dump makes it"),
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
    Change("ALTER TABLE every.parted_method SET ACCESS METHOD DEFAULT", "table every.parted_method", 17),
    Change("ALTER TABLE every.named RENAME CONSTRAINT a_is_there TO renamed", "table every.named", 18),
    Change("ALTER TABLE every.virtual ALTER b SET EXPRESSION AS (a * 3)", "table every.virtual", 18),
    Change("ALTER TABLE every.unenforced DROP CONSTRAINT loose", "constraint loose on every.unenforced", 18),
    Change(
        "ALTER TABLE every.periods DROP CONSTRAINT periods_pkey",
        "constraint periods_pkey on every.periods",
        18,
    ),
)


@pytest.fixture(scope="module", params=servers.MAJORS)
def server(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with (
        grounds.folder(session_root) as root,
        servers.server(root, servers.of_major(request.param)) as server,
    ):
        run(server.database, "CREATE ROLE every_owner", "CREATE ROLE every_reader")
        run(server.database, "CREATE ROLE somebody_else SUPERUSER LOGIN")
        yield server


@pytest.fixture
def everything(server: Server) -> Iterator[Database]:
    script = resources.files("ledgerflow_ops_tests").joinpath("everything.sql").read_text()
    _, *parts = script.split("\n-- from ")
    with databases.made(server.database) as database:
        for part in parts:
            since, _, statements = part.partition("\n")
            if int(since) <= server.cluster.tools.major:
                run(database, statements)
        yield database


def test_each_kind_is_proven_and_each_change_of_one_is_told(
    root: Path, server: Server, everything: Database
) -> None:
    programs = server.cluster.tools
    if programs.origin == "fetched":
        servers.lend(root / "state", programs)
    site = builders.site(root, everything, rules=[])
    manifest = grounds.take(site)
    grounds.prove(site, manifest)
    file = site.folder.file(BackupName.of(manifest.dump.file).dump)
    with databases.made(server.database.as_user("somebody_else")) as copy:
        assert loading.load(programs, copy, file, Load(2)).code == 0
        dumped = archive.definitions(programs, file)

        def told() -> list[str]:
            with copy.connect() as connection:
                found = source.look(connection).seal
            differences = facts_equal(manifest.seal, found, same_major=True)
            differences += ddl.compare(dumped, archive.definitions_of(programs, copy))
            return [one.sentence for one in differences]

        assert told() == []
        made = [change for change in CHANGES if change.since <= programs.major]
        for change in made:
            run(copy, change.sql)
        sentences = told()
    missed = [change.sql for change in made if not any(change.told in one for one in sentences)]
    assert missed == [], "\n".join(sentences)
    assert not any("never told" in one for one in sentences)
