"""What an account may not read is reported before and after a backup, which is never proven without it."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.errors import Denied, LedgerError
from ledgerflow_ops.core.operation_requests import RecoverRequest
from ledgerflow_ops.core.postgres.dump_warnings import Meaning
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.monitoring import doctor, health_checks
from ledgerflow_ops.operations.restore import recover
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.databases import quoted_identifier
from ledgerflow_ops_tests.fakes import programs, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_SCHEDULE = "03:30"


@pytest.fixture(scope="module")
def books(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """Objects of every kind that an account may be kept from."""
    with sandboxes.sample_copy(embedded) as database:
        databases.run_statements(
            database,
            'CREATE SCHEMA "Büro"; CREATE TABLE "Büro"."select ""x""" (id serial, note text)',
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        )
        yield database


@pytest.fixture
def clerk(books: Database) -> Iterator[Database]:
    """An account with a name that has to be quoted, and no right but to log in."""
    name = f'Clerk "{secrets.token_hex(3)}"'
    databases.run_statements(books, f"CREATE ROLE {quoted_identifier(name)} LOGIN PASSWORD 'x'")
    yield Database({**books.parameters, "user": name, "password": "x"})
    databases.run_statements(
        books, f"DROP OWNED BY {quoted_identifier(name)}", f"DROP ROLE {quoted_identifier(name)}"
    )


@pytest.fixture
def sandbox(root: Path, clerk: Database) -> Sandbox:
    return Sandbox(root, clerk)


@pytest.fixture
def reader(books: Database, clerk: Database) -> str:
    """The same account with every right to read that can be given at once; its name."""
    name = quoted_identifier(clerk.parameters["user"])
    databases.run_statements(
        books,
        f"GRANT pg_read_all_data TO {name}",
        f"ALTER ROLE {name} BYPASSRLS",
        f"ALTER ROLE {name} SET lo_compat_privileges = on",
    )
    return name


@pytest.fixture
def subscription(books: Database) -> Iterator[None]:
    databases.run_statements(
        books, "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)"
    )
    yield
    databases.run_statements(
        books, "ALTER SUBSCRIPTION feed SET (slot_name = NONE)", "DROP SUBSCRIPTION feed"
    )


def _source(sandbox: Sandbox) -> list[Check]:
    env = sandbox.env()
    return [check for check in doctor.examine(env.ctx, [env]) if check.name == "dev source"]


def _wrong(sandbox: Sandbox) -> list[Check]:
    return [check for check in _source(sandbox) if not check.passed]


def test_every_missing_right_is_named_with_a_statement_that_gives_it(
    sandbox: Sandbox, books: Database, clerk: Database
) -> None:
    name, passed = quoted_identifier(clerk.parameters["user"]), 0
    for expected in (
        f"GRANT pg_read_all_data TO {name};",
        f"ALTER ROLE {name} BYPASSRLS;",
        "GRANT SELECT ON LARGE OBJECT ",
    ):
        (found,) = _wrong(sandbox)
        assert (found.fatal, found.cause) == (True, "rights"), found
        assert expected in found.hint
        with pytest.raises(LedgerError) as failure:
            backup.backup(sandbox.env())
        assert isinstance(failure.value, Denied)
        assert failure.value.exit_code == 1
        assert expected in failure.value.hint, "the backup says what doctor says"
        assert sandbox.files() == {}
        start = str(found.hint).index(expected)
        databases.run_statements(books, str(found.hint)[start : str(found.hint).index(";", start)])
        passed += 1
    assert passed == 3
    assert _wrong(sandbox) == []
    sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))


@pytest.mark.parametrize(
    ("revoked", "statement"),
    [
        ('USAGE ON SCHEMA "Büro"', 'GRANT USAGE ON SCHEMA "Büro" TO {};'),
        ('SELECT ON "Büro"."select ""x"""', 'GRANT SELECT ON TABLE "Büro"."select ""x""" TO {};'),
        (
            'SELECT ON SEQUENCE "Büro"."select ""x""_id_seq"',
            'GRANT SELECT ON SEQUENCE "Büro"."select ""x""_id_seq" TO {};',
        ),
    ],
)
def test_one_object_that_may_not_be_read_is_named_with_its_own_grant(
    sandbox: Sandbox, books: Database, clerk: Database, revoked: str, statement: str
) -> None:
    name = quoted_identifier(clerk.parameters["user"])
    for schema in ("public", '"Büro"'):
        databases.run_statements(
            books,
            f"GRANT USAGE ON SCHEMA {schema} TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
        )
    databases.run_statements(
        books, f"ALTER ROLE {name} BYPASSRLS", f"ALTER ROLE {name} SET lo_compat_privileges = on"
    )
    assert _wrong(sandbox) == []
    databases.run_statements(books, f"REVOKE {revoked} FROM {name}")
    (found,) = _wrong(sandbox)
    assert statement.format(name) in found.hint
    assert found.message.startswith(f"{clerk.parameters['user']} may not read all that a backup holds: ")
    with pytest.raises(Denied, match="permission denied") as failure:
        backup.backup(sandbox.env())
    assert statement.format(name) in failure.value.hint
    databases.run_statements(books, statement.format(name))
    assert _wrong(sandbox) == []


def test_a_large_object_of_another_owner_is_named_with_its_owner(
    sandbox: Sandbox, books: Database, clerk: Database
) -> None:
    name = quoted_identifier(clerk.parameters["user"])
    databases.run_statements(books, f"GRANT pg_read_all_data TO {name}", f"ALTER ROLE {name} BYPASSRLS")
    with books.connect() as connection:
        oids = [
            str(oid) for (oid,) in connection.execute("SELECT oid FROM pg_largeobject_metadata ORDER BY 1")
        ]
    (found,) = _wrong(sandbox)
    for oid in oids:
        assert f"{oid} (owner " in found.message
    assert "pg_read_all_data" not in found.hint, "the account has it already"
    assert f"GRANT SELECT ON LARGE OBJECT {', '.join(oids)} TO {name};" in found.hint
    assert f"ALTER ROLE {name} SET lo_compat_privileges = on;" in found.hint
    with pytest.raises(Denied, match="permission denied for large object") as failure:
        backup.backup(sandbox.env())
    assert failure.value.hint == found.hint


def test_a_subscription_that_is_left_out_keeps_the_backup_from_being_proven(
    sandbox: Sandbox, reader: str, subscription: None
) -> None:
    (before,) = _wrong(sandbox)
    assert "subscription feed is not in the dump" in before.message
    assert f"ALTER ROLE {reader} SUPERUSER;" in before.hint

    manifest = sandboxes.take_backup(sandbox.env())
    assert manifest.warnings is not None
    assert [(one.program, one.meaning) for one in manifest.warnings] == [
        ("pg_dump", Meaning.MISSING),
        ("ledgerflow_ops", Meaning.MISSING),
    ]
    assert "subscriptions not dumped because current user is not a superuser" in manifest.lacks
    name = BackupName.of(manifest.dump.file)
    examination = drill.drill(sandbox.env(), name)
    assert (examination.bad, examination.rung, examination.proven) == (None, Rung.EQUAL, False)
    told = [check for check in examination.checks if not check.passed]
    assert [(check.name, check.cause) for check in told] == [("restorable", "incomplete")]
    assert "subscription feed" in told[0].message
    assert f"ALTER ROLE {reader} SUPERUSER;" in told[0].hint

    assert sandbox.states() == {name.stem: "equal"}
    assert not catalog.entry(sandbox.env(), name).proven
    (told_at_once,) = [one for one in health_checks.find_problems(sandbox.env()) if one.kind == "unproven"]
    assert told_at_once.level is Level.CRITICAL, "nothing is proven"
    assert "subscription feed" in told_at_once.message
    later = sandbox.env(now=lambda: manifest.finished_at.replace(year=2027), schedule=_SCHEDULE)
    found = {finding.kind: finding for finding in health_checks.find_problems(later)}
    assert "subscription feed" in found["unproven"].message
    assert f"ALTER ROLE {reader} SUPERUSER;" in found["unproven"].hint
    assert str(found["unproven"].hint).endswith("LEDGER_ENV=dev make backup")
    assert "restore-test" not in found["rpo"].hint


def test_a_superuser_has_the_same_database_whole(root: Path, books: Database, subscription: None) -> None:
    sandbox = Sandbox(root, books)
    assert _wrong(sandbox) == []
    manifest = sandboxes.take_backup(sandbox.env())
    assert (manifest.warnings, manifest.lacks) == (None, "")
    assert b'"warnings"' not in manifest.encode()
    sandboxes.prove_backup(sandbox.env(), manifest)


def test_a_pg_dump_that_leaves_subscriptions_out_in_silence_is_found_out(
    root: Path, books: Database, subscription: None
) -> None:
    folder = programs.falsified(
        root / "quiet", "pg_dump", programs.DUMPS, 'exec "$real" --no-subscriptions "$@"'
    )
    sandbox = Sandbox(root, books, {"tools_dir": folder})
    manifest = sandboxes.take_backup(sandbox.env())
    assert manifest.lacks == "ledgerflow_ops: subscriptions: 1 in the database, 0 in the dump"
    assert "make doctor" in manifest.remedy
    assert drill.drill(sandbox.env(), BackupName.of(manifest.dump.file)).rung is Rung.EQUAL


def test_options_of_a_user_mapping_that_are_hidden_are_missing(
    sandbox: Sandbox, books: Database, clerk: Database
) -> None:
    name = quoted_identifier(clerk.parameters["user"])
    databases.run_statements(books, f"GRANT ledgerflow_app TO {name}", f"ALTER ROLE {name} BYPASSRLS")
    databases.run_statements(books, f"ALTER ROLE {name} SET lo_compat_privileges = on")
    databases.run_statements(books, f'GRANT USAGE ON SCHEMA "Büro" TO {name}')
    databases.run_statements(books, f'GRANT SELECT ON ALL TABLES IN SCHEMA "Büro" TO {name}')
    databases.run_statements(books, f'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "Büro" TO {name}')
    databases.run_statements(books, "CREATE USER MAPPING FOR CURRENT_USER SERVER files")
    try:
        (found,) = _wrong(sandbox)
        assert "options of user mapping" in found.message
        assert found.cause == "incomplete"
        databases.run_statements(books, f"GRANT pg_read_all_data TO {name}")
        assert _wrong(sandbox) == [], "whoever may read the catalog can see that there are none"
    finally:
        databases.run_statements(books, "DROP USER MAPPING FOR CURRENT_USER SERVER files")


def test_what_is_not_known_is_reported_and_lowers_nothing(root: Path, books: Database) -> None:
    said = "pg_dump: warning: the moon is full"
    folder = programs.falsified(
        root / "talking", "pg_dump", programs.DUMPS, f'echo "{said}" >&2; exec "$real" "$@"'
    )
    sandbox = Sandbox(root, books, {"tools_dir": folder})
    manifest = sandboxes.take_backup(sandbox.env())
    assert manifest.warnings is not None
    assert [one.sentence for one in manifest.warnings] == ["pg_dump: the moon is full"]
    assert json.loads(manifest.encode())["warnings"][0]["meaning"] == "unknown"
    assert manifest.ceiling is Rung.VALID


def test_a_secret_in_a_warning_is_not_kept(root: Path, books: Database) -> None:
    folder = programs.falsified(
        root / "telling",
        "pg_dump",
        programs.DUMPS,
        'echo "pg_dump: warning: odd: host=h password=hunter2" >&2; exec "$real" "$@"',
    )
    manifest = sandboxes.take_backup(Sandbox(root, books, {"tools_dir": folder}).env())
    assert b"hunter2" not in manifest.encode()
    assert manifest.warnings is not None
    assert "password=***" in manifest.warnings[0].text


def test_an_incomplete_backup_is_recovered_where_there_is_no_other_and_that_is_reported(
    root: Path, database: Database
) -> None:
    said = "pg_dump: warning: subscriptions not dumped because current user is not a superuser"
    folder = programs.falsified(
        root / "less", "pg_dump", programs.DUMPS, f'echo "{said}" >&2; exec "$real" "$@"'
    )
    sandbox = Sandbox(root, database, {"tools_dir": folder})
    manifest = sandboxes.take_backup(sandbox.env())
    with database.named("postgres").connect() as connection:
        name = sql.Identifier(database.parameters["dbname"])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    incident, restored = recover.recover(sandbox.env(), RecoverRequest(environment="dev"))
    assert (incident.outcome, restored.bad) == ("RECOVERED", None)
    assert restored.plan.candidate.name.dump == manifest.dump.file
    assert any("subscriptions not dumped" in one for one in incident.todo)
