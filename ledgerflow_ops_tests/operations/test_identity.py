"""An environment is one database of one server, and another is refused before anything is read from it."""

from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.core.catalog.identity import Identity
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


@pytest.fixture
def sandbox(root: Path, books: Database) -> Sandbox:
    """A ground on which dev has met its database."""
    sandbox = Sandbox(root, books)
    backup.backup(sandbox.env())
    return sandbox


def _remembered(sandbox: Sandbox) -> dict[Environment, Identity]:
    return IdentityRecords(sandbox.root / "state" / "identities.json").recorded()


def _name(database: Database) -> str:
    return database.parameters["dbname"]


def test_the_first_backup_remembers_the_server_and_the_database(sandbox: Sandbox) -> None:
    with sandbox.database.connect() as connection:
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    assert _remembered(sandbox) == {Environment.DEV: Identity(row[0], _name(sandbox.database))}


@pytest.mark.parametrize("environment", [Environment.TEST, Environment.PROD])
def test_another_environments_database_is_refused_and_nothing_is_read_or_written(
    sandbox: Sandbox, environment: Environment
) -> None:
    recorder, remembered = Recorder(), _remembered(sandbox)
    env = sandboxes.new_env(environment, sandbox.root, sandbox.database, recorder)
    with pytest.raises(Refused, match=f"LEDGER_ENV is {environment}, but its URL leads to dev's") as refusal:
        backup.backup(env)
    assert refusal.value.exit_code == 3
    assert f"LEDGER_{environment.upper()}_DATABASE_URL" in refusal.value.hint
    assert recorder.steps == [Step.PREFLIGHT], "no snapshot was taken"
    assert not backup_folder_of(env).path.exists()
    assert _remembered(sandbox) == remembered


def test_another_database_of_the_same_server_is_refused(sandbox: Sandbox, database: Database) -> None:
    elsewhere, files = Sandbox(sandbox.root, database), sandbox.files()
    with pytest.raises(Refused, match="dev used to be database") as refusal:
        backup.backup(elsewhere.env())
    assert _name(sandbox.database) in refusal.value.message
    assert _name(database) in refusal.value.message
    assert "make identity ACCEPT=1" in refusal.value.hint
    assert sandbox.files() == files


def test_a_server_put_in_the_place_of_another_is_refused_until_it_is_accepted(
    sandbox: Sandbox, root: Path
) -> None:
    # Same name of the database, same tables: what `down -v` and `up` leave behind.
    with servers.server(root, client_tools.bundled_tools()) as server:
        replaced = Sandbox(root, server.books(_name(sandbox.database)))
        files, before = sandbox.files(), _remembered(sandbox)
        with pytest.raises(Refused, match="dev used to be database") as refusal:
            backup.backup(replaced.env())
        assert "the old database may be gone" in refusal.value.hint
        with pytest.raises(Refused, match="dev used to be"):
            identity.check_identity(replaced.env(), accept=False)
        assert (sandbox.files(), _remembered(sandbox)) == (files, before)

        found = identity.check_identity(replaced.env(), accept=True)
        assert found.database == before[Environment.DEV].database
        assert found.system_identifier != before[Environment.DEV].system_identifier
        assert _remembered(sandbox) == {Environment.DEV: found}
        backup.backup(replaced.env())
    with pytest.raises(Refused, match="dev used to be"):
        backup.backup(sandbox.env())


def test_identity_tells_the_database_and_takes_none_without_being_asked(root: Path, books: Database) -> None:
    sandbox = Sandbox(root, books)
    with pytest.raises(Refused, match="dev has no database yet") as refusal:
        identity.check_identity(sandbox.env(), accept=False)
    assert "ACCEPT=1" in refusal.value.hint
    assert _remembered(sandbox) == {}
    taken = identity.check_identity(sandbox.env(), accept=True)
    assert identity.check_identity(sandbox.env(), accept=False) == taken
    assert str(taken) == f"database {_name(books)!r} of server {taken.system_identifier}"


def test_accepting_does_not_take_another_environments_database(sandbox: Sandbox) -> None:
    remembered = _remembered(sandbox)
    with pytest.raises(Refused, match="leads to dev's"):
        identity.check_identity(
            sandboxes.new_env(Environment.PROD, sandbox.root, sandbox.database), accept=True
        )
    assert _remembered(sandbox) == remembered


def test_a_renamed_database_is_another_one(sandbox: Sandbox) -> None:
    renamed = f"{_name(sandbox.database)}_moved"
    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    server = sandbox.database.named("postgres")
    with server.connect() as connection:
        connection.execute(statement.format(sql.Identifier(_name(sandbox.database)), sql.Identifier(renamed)))
    try:
        with pytest.raises(Refused, match="dev used to be"):
            backup.backup(Sandbox(sandbox.root, server.named(renamed)).env())
    finally:
        with server.connect() as connection:
            connection.execute(
                statement.format(sql.Identifier(renamed), sql.Identifier(_name(sandbox.database)))
            )


@pytest.mark.parametrize(
    "contents", ["", "{", "[]", '"dev"', '{"dev": {}}', '{"dev": 1}', '{"staging": {}}', "\x00\x01"]
)
def test_a_damaged_memory_is_an_error_and_never_an_empty_one(sandbox: Sandbox, contents: str) -> None:
    file, files = sandbox.root / "state" / "identities.json", sandbox.files()
    file.write_text(contents)
    for operation in (
        lambda: backup.backup(sandbox.env()),
        lambda: identity.check_identity(sandbox.env(), accept=False),
        lambda: identity.check_identity(sandbox.env(), accept=True),
    ):
        with pytest.raises(LedgerError, match=r"identities\.json cannot be read") as failure:
            operation()
        assert failure.value.exit_code == 1
        assert "make identity ACCEPT=1" in failure.value.hint
    assert file.read_text() == contents, "it was left as it was found"
    assert sandbox.files() == files
    file.unlink()
    identity.check_identity(sandbox.env(), accept=True)
    backup.backup(sandbox.env())
