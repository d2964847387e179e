"""Intact backups: whatever is in the database, none is ever called bad."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import psycopg
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.sample.grow import grow
from ledgerflow_ops_tests import builders, damage, databases
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import quoted_identifier
from ledgerflow_ops_tests.fakes import programs, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep

PLAIN = "undamaged_app"
ODD = 'undamaged "odd"; ro\'le\n🧾 '


def prove(env: EnvironmentContext, database: EnvironmentContext | None = None) -> Manifest:
    """Back it up, verify it and drill it: every check passes and every rung is reached."""
    manifest = backup.backup(env)
    name = BackupName.of(manifest.dump.file)
    for examination, rung in (
        (verify.verify(database or env, name), Rung.READABLE),
        (drill.drill(database or env, name), Rung.VALID),
    ):
        assert [check.message for check in examination.checks if not check.passed] == []
        assert examination.rung is rung
    assert catalog.entry(env, name).state == "valid"
    return manifest


@pytest.fixture
def server(embedded: EmbeddedPostgres) -> Database:
    return embedded.start()


@pytest.fixture
def two_roles(server: Database) -> Iterator[None]:
    with databases.temporary_roles(server, PLAIN, ODD):
        yield


def test_a_database_with_one_of_everything(root: Path, server: Database, two_roles: None) -> None:
    """What rich.sql makes, and what a transaction cannot make: leftovers that pg_dump passes over."""
    script = resources.files("ledgerflow_ops_tests").joinpath("rich.sql").read_text()
    with databases.temporary_database(server) as rich:
        databases.run_statements(
            rich,
            script.replace("__app__", quoted_identifier(PLAIN)).replace("__odd__", quoted_identifier(ODD)),
        )
        databases.run_statements(
            rich, "CREATE TABLE shop.twice_the_same AS SELECT 1 AS a FROM generate_series(1, 2)"
        )
        with pytest.raises(LedgerError, match="duplicated"):
            databases.run_statements(
                rich, "CREATE UNIQUE INDEX CONCURRENTLY unfinished ON shop.twice_the_same (a)"
            )
        databases.run_statements(rich, "COMMENT ON INDEX shop.unfinished IS 'not dumped either'")
        # Servers leave the comment behind. Not one script: a subscription is not made in a transaction.
        for statement in (
            "CREATE SUBSCRIPTION gone CONNECTION '' PUBLICATION p WITH (connect = false, slot_name = NONE)",
            "COMMENT ON SUBSCRIPTION gone IS 'of what is not there any more'",
            "DROP SUBSCRIPTION gone",
        ):
            databases.run_statements(rich, statement)
        databases.run_statements(
            rich,
            'CREATE COLLATION pg_catalog.from_an_administrator FROM "C"',
            "COMMENT ON COLLATION pg_catalog.from_an_administrator IS 'not dumped either'",
            *(f"CREATE SEQUENCE shop.one_of_many_{number} START {number + 1}" for number in range(250)),
        )
        manifest = prove(builders.env(root, rich, rules=[]))
    assert manifest.seal.depth == "full"
    assert len(manifest.seal.sequences) > 250
    assert manifest.contents.large_objects.count == 3


def test_a_database_of_which_only_counts_and_sums_are_sealed(
    root: Path, server: Database, two_roles: None
) -> None:
    script = resources.files("ledgerflow_ops_tests").joinpath("rich.sql").read_text()
    with databases.temporary_database(server) as rich:
        databases.run_statements(
            rich,
            script.replace("__app__", quoted_identifier(PLAIN)).replace("__odd__", quoted_identifier(ODD)),
        )
        manifest = prove(builders.env(root, rich, rules=[], full_seal_below=0))
    assert manifest.seal.depth == "counts and sums"


@pytest.mark.parametrize("compress", ["lz4:level=9", "zstd:level=19,long"])
def test_a_dump_of_an_unusual_compression(root: Path, database: Database, compress: str) -> None:
    """The usual four are proven by test_damage before it does them harm."""
    false = root / "tools"
    damage.falsify(false, client_tools.bundled_tools().folder)
    damage.plan(false, compress=compress)
    env = builders.env(root, database)
    prove(sandboxes.with_settings(env, tools_dir=false), env)


def test_a_grown_database(root: Path, database: Database) -> None:
    with psycopg.connect(builders.database_url(database)) as connection:
        grow(connection, 6_000_000)
    manifest = prove(builders.env(root, database))
    assert manifest.dump.size > 500_000


@pytest.mark.parametrize(
    ("options", "statements"),
    [
        pytest.param("", (), id="empty"),
        pytest.param(
            "", ("CREATE VIEW v AS SELECT 1 AS a, 'b'::varchar IN ('b', 'c') AS c",), id="only a view"
        ),
        pytest.param(
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
            ("CREATE TABLE t (a text CHECK (upper(a) <> a))", "INSERT INTO t VALUES ('ä')"),
            id="a check that holds with its provider's locale alone",
        ),
        pytest.param(
            "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
            (
                'CREATE SCHEMA "Bücher"',
                'CREATE TABLE "Bücher"."Straße" ("Größe" text)'.encode("latin-1"),
                "INSERT INTO \"Bücher\".\"Straße\" VALUES ('Müller'), ('¡Olé! \\.')".encode("latin-1"),
                'CREATE SEQUENCE "Bücher"."Zähler"'.encode("latin-1"),
                "DROP SCHEMA public",
            ),
            id="Latin-1 and no schema public",
        ),
        pytest.param(
            "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
            (
                b'CREATE TABLE "no\xff encoding" ("\xc3\xa4" text, "\xe4" text)',
                b"INSERT INTO \"no\xff encoding\" VALUES (E'\\374\\377', 'x')",
                b'CREATE SEQUENCE "\xfe"',
            ),
            id="no encoding at all",
        ),
        pytest.param(
            "",
            (
                "DROP EXTENSION plpgsql CASCADE",
                "CREATE EXTENSION plpgsql",
                "CREATE TABLE t (a money, b date) WITH (fillfactor = 50)",
                "INSERT INTO t VALUES ('12.34', 'infinity'), (NULL, '0044-03-15 BC')",
            ),
            id="plpgsql recreated",
        ),
    ],
)
def test_a_small_database(
    root: Path, server: Database, options: str, statements: tuple[str | bytes, ...]
) -> None:
    if "LATIN1" in options:
        statements = tuple(s.encode("latin-1") if isinstance(s, str) else s for s in statements)
    with databases.temporary_database(server, options=options) as small:
        databases.run_statements(small, *statements)
        prove(builders.env(root, small, rules=[]))


def test_a_database_in_use_while_it_is_dumped(root: Path, database: Database) -> None:
    """Rows come and go, and sequences move on, back and around: no snapshot holds them still."""
    databases.run_statements(
        database,
        "CREATE SEQUENCE around MAXVALUE 3 CYCLE",
        "CREATE SEQUENCE down INCREMENT -1 MAXVALUE 100 START 50",
        "CREATE SEQUENCE back",
        "SELECT setval('around', 3), setval('back', 500)",
    )

    def use() -> None:
        databases.run_statements(
            database,
            "SELECT nextval('around'), nextval('down'), setval('back', 2)",
            "SELECT nextval('public.profiles_journalline_id_seq') FROM generate_series(1, 20)",
            "DELETE FROM django_session",
            "INSERT INTO django_session VALUES ('late', 'x', now())",
            "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
            "SELECT lo_from_bytea(0, 'late')",
        )

    at = ActionAtStep(at=Step.DUMP, action=use)
    manifest = prove(builders.env(root, database, reporter=at))
    assert at.fired
    assert manifest.contents.tables["public.django_session"].rows > 0


def test_sequences_that_move_while_pg_dump_runs(root: Path, database: Database) -> None:
    """The archive is read, and compared, while they are already elsewhere."""
    at = ActionAtStep(
        at=Step.FINISH,
        action=lambda: databases.run_statements(
            database, "SELECT nextval('public.profiles_journalline_id_seq')"
        ),
    )
    prove(builders.env(root, database, reporter=at))
    assert at.fired


def test_what_fails_where_another_locale_stood_in_is_not_judged(root: Path, server: Database) -> None:
    """upper('ä') is ä in the locale C, and this machine lacks the source's locale."""
    options = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    with databases.temporary_database(server, options=options) as small:
        databases.run_statements(
            small, "CREATE TABLE t (a text CHECK (upper(a) <> a))", "INSERT INTO t VALUES ('ä')"
        )
        env = builders.env(root, small, rules=[])
        manifest = backup.backup(env)
    assert manifest.properties is not None
    there = manifest.properties.model_copy(update={"locale": "xx-XX"})
    elsewhere = manifest.model_copy(update={"properties": there})
    name = BackupName.of(manifest.dump.file)
    backup_folder_of(env).replace(name.manifest, elsewhere.encode())
    with pytest.raises(CannotJudge, match="The locale xx-XX of C is not on this machine") as failure:
        drill.drill(env, name)
    assert "violates check constraint" in failure.value.message
    assert "This says nothing about the backup" in failure.value.hint
    backup_folder_of(env).replace(name.manifest, manifest.encode())
    assert drill.drill(env, name).proven


def test_roles_with_everything_a_role_can_have(root: Path, server: Database, two_roles: None) -> None:
    databases.run_statements(
        server,
        f"ALTER ROLE {quoted_identifier(PLAIN)} WITH LOGIN NOINHERIT CREATEDB CONNECTION LIMIT 3",
        f"ALTER ROLE {quoted_identifier(PLAIN)} VALID UNTIL '2030-01-01'",
        f"ALTER ROLE {quoted_identifier(PLAIN)} SET search_path = 'a b', public",
        f"ALTER ROLE {quoted_identifier(PLAIN)} SET default_transaction_read_only = on",
        f"ALTER ROLE {quoted_identifier(PLAIN)} PASSWORD 'a''b\\c'",
        f"COMMENT ON ROLE {quoted_identifier(ODD)} IS 'CREATE ROLE nobody; it''s -- a comment\\'",
        f"GRANT {quoted_identifier(PLAIN)} TO {quoted_identifier(ODD)} WITH ADMIN OPTION",
        f"GRANT pg_read_all_data TO {quoted_identifier(PLAIN)} WITH INHERIT TRUE",
        "SET allow_system_table_mods = on",  # as of a machine that has the locale, and the provider's library
        f"UPDATE pg_db_role_setting SET setconfig = setconfig || '{{lc_messages=xx_XX.UTF-8}}' "
        f"WHERE setrole = '{quoted_identifier(PLAIN)}'::regrole",
        f"INSERT INTO pg_shseclabel VALUES ('{PLAIN}'::regrole, 'pg_authid'::regclass, 'anon', 'MASKED')",
    )
    name = "a \"database\" called 'odd'; = ünïcode"
    with databases.temporary_database(server, name=name) as small:
        databases.run_statements(
            small, f"CREATE TABLE t (a int); ALTER TABLE t OWNER TO {quoted_identifier(ODD)}"
        )
        env = builders.env(root, small, rules=[], role_passwords=True)
        manifest = prove(env)
    assert manifest.seal.roles[ODD].member_of == (PLAIN,)
    told = backup_folder_of(env).read(BackupName.of(manifest.dump.file).proof).decode()
    assert f"left out: SECURITY LABEL FOR anon ON ROLE {PLAIN}; ALTER ROLE {PLAIN} SET lc_messages." in told


def test_roles_that_could_not_be_read(root: Path, server: Database, two_roles: None) -> None:
    """Without a roles file they are made from the seal, and are still what they were."""
    denied = "echo 'pg_dumpall: error: permission denied for table pg_authid' >&2; exit 1"
    false = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", denied)
    databases.run_statements(
        server,
        f"ALTER ROLE {quoted_identifier(PLAIN)} WITH LOGIN NOINHERIT CREATEDB CONNECTION LIMIT 3",
        f"GRANT {quoted_identifier(PLAIN)} TO {quoted_identifier(ODD)}",
    )
    with databases.temporary_database(server) as small:
        databases.run_statements(
            small, f"CREATE TABLE t (a int); ALTER TABLE t OWNER TO {quoted_identifier(ODD)}"
        )
        env = builders.env(root, small, rules=[])
        manifest = prove(sandboxes.with_settings(env, tools_dir=false), env)
    assert manifest.globals is None
    assert manifest.globals_note


def test_rows_that_an_extension_says_are_the_users_own(root: Path, server: Database) -> None:
    """Such a table belongs to the extension, and a part of its rows to the dump."""
    with databases.temporary_database(server) as small:
        databases.run_statements(
            small,
            "CREATE EXTENSION citext",
            "CREATE TABLE settings (id int, ours bool)",
            "INSERT INTO settings SELECT i, i > 7 FROM generate_series(1, 10) AS i",
            "ALTER EXTENSION citext ADD TABLE settings",
            "UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass::oid],"
            " extcondition = ARRAY['WHERE ours'] WHERE extname = 'citext'",
        )
        manifest = backup.backup(builders.env(root, small))
    assert manifest.seal.tables["public.settings"].rows == 3
    assert manifest.contents.tables["public.settings"].rows == 3


def test_a_dump_made_by_hand_is_judged_for_what_can_be_known(env: EnvironmentContext) -> None:
    """Its policies name roles that no manifest lists: they are created, and the dump is not called bad."""
    manifest = backup.backup(env)
    name = BackupName.of(manifest.dump.file)
    for file in (name.manifest, name.globals):
        backup_folder_of(env).file(file).unlink()
    examination = drill.drill(env, name)
    assert examination.bad is None
    assert not examination.proven
    assert [check.cause for check in examination.checks if not check.passed] == ["no manifest"]
    assert "data_rules" in {check.name for check in examination.checks if check.passed}


@pytest.mark.slow
def test_a_backup_does_not_wait_for_ever_behind_who_waits_for_it(root: Path, database: Database) -> None:
    """The backup and pg_dump lock every table before the long steps, so no session comes between."""

    def alter() -> None:
        databases.run_statements(database, "ALTER TABLE public.auth_group ADD COLUMN later integer")

    with ThreadPoolExecutor(1) as pool:
        altering: list[Future[None]] = []

        def begin() -> None:
            altering.append(pool.submit(alter))
            assert sandboxes.wait_until(lambda: waiting(database))

        at = ActionAtStep(at=Step.DUMP, action=begin)
        manifest = prove(builders.env(root, database, reporter=at))
        assert at.fired
        altering[0].result(timeout=10)
        assert "column public.auth_group.later" not in manifest.seal.objects
    prove(builders.env(root, database))


def waiting(database: Database) -> bool:
    """Whether somebody waits for a lock."""
    with database.connect() as connection:
        found = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return found is not None and found[0] > 0
