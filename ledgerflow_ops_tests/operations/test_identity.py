"""An environment is one database of one server, and another is refused before anything is read from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters import tools
from ledgerflow_ops.adapters.identities import Identities
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.identity import Identity
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import backup, identity
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import grounds, servers
from ledgerflow_ops_tests.fakes.grounds import Ground


@pytest.fixture(scope="module")
def books(embedded: Embedded) -> Iterator[Database]:
    with grounds.sample_copy(embedded) as database:
        yield database


@pytest.fixture
def ground(root: Path, books: Database) -> Ground:
    """A ground on which dev has met its database."""
    ground = Ground(root, books)
    backup.backup(ground.site())
    return ground


def _remembered(ground: Ground) -> dict[Environment, Identity]:
    return Identities(ground.root / "state" / "identities.json").known()


def _name(database: Database) -> str:
    return database.parameters["dbname"]


def test_the_first_backup_remembers_the_server_and_the_database(ground: Ground) -> None:
    with ground.database.connect() as connection:
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    assert _remembered(ground) == {Environment.DEV: Identity(row[0], _name(ground.database))}


@pytest.mark.parametrize("environment", [Environment.TEST, Environment.PROD])
def test_another_environments_database_is_refused_and_nothing_is_read_or_written(
    ground: Ground, environment: Environment
) -> None:
    recorder, remembered = Recorder(), _remembered(ground)
    site = grounds.site_of(environment, ground.root, ground.database, recorder)
    with pytest.raises(Refused, match=f"LEDGER_ENV is {environment}, but its URL leads to dev's") as refusal:
        backup.backup(site)
    assert refusal.value.exit_code == 3
    assert f"LEDGER_{environment.upper()}_DATABASE_URL" in refusal.value.hint
    assert recorder.steps == [Step.PREFLIGHT], "no snapshot was taken"
    assert not site.folder.path.exists()
    assert _remembered(ground) == remembered


def test_another_database_of_the_same_server_is_refused(ground: Ground, database: Database) -> None:
    elsewhere, files = Ground(ground.root, database), ground.files()
    with pytest.raises(Refused, match="dev used to be database") as refusal:
        backup.backup(elsewhere.site())
    assert _name(ground.database) in refusal.value.message
    assert _name(database) in refusal.value.message
    assert "make identity ACCEPT=1" in refusal.value.hint
    assert ground.files() == files


def test_a_server_put_in_the_place_of_another_is_refused_until_it_is_accepted(
    ground: Ground, root: Path
) -> None:
    # Same name of the database, same tables: what `down -v` and `up` leave behind.
    with servers.server(root, tools.bundled()) as server:
        replaced = Ground(root, server.books(_name(ground.database)))
        files, before = ground.files(), _remembered(ground)
        with pytest.raises(Refused, match="dev used to be database") as refusal:
            backup.backup(replaced.site())
        assert "the old database may be gone" in refusal.value.hint
        with pytest.raises(Refused, match="dev used to be"):
            identity.identity(replaced.site(), accept=False)
        assert (ground.files(), _remembered(ground)) == (files, before)

        found = identity.identity(replaced.site(), accept=True)
        assert found.database == before[Environment.DEV].database
        assert found.system_identifier != before[Environment.DEV].system_identifier
        assert _remembered(ground) == {Environment.DEV: found}
        backup.backup(replaced.site())
    with pytest.raises(Refused, match="dev used to be"):
        backup.backup(ground.site())


def test_identity_tells_the_database_and_takes_none_without_being_asked(root: Path, books: Database) -> None:
    ground = Ground(root, books)
    with pytest.raises(Refused, match="dev has no database yet") as refusal:
        identity.identity(ground.site(), accept=False)
    assert "ACCEPT=1" in refusal.value.hint
    assert _remembered(ground) == {}
    taken = identity.identity(ground.site(), accept=True)
    assert identity.identity(ground.site(), accept=False) == taken
    assert str(taken) == f"database {_name(books)!r} of server {taken.system_identifier}"


def test_accepting_does_not_take_another_environments_database(ground: Ground) -> None:
    remembered = _remembered(ground)
    with pytest.raises(Refused, match="leads to dev's"):
        identity.identity(grounds.site_of(Environment.PROD, ground.root, ground.database), accept=True)
    assert _remembered(ground) == remembered


def test_a_renamed_database_is_another_one(ground: Ground) -> None:
    renamed = f"{_name(ground.database)}_moved"
    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    server = ground.database.named("postgres")
    with server.connect() as connection:
        connection.execute(statement.format(sql.Identifier(_name(ground.database)), sql.Identifier(renamed)))
    try:
        with pytest.raises(Refused, match="dev used to be"):
            backup.backup(Ground(ground.root, server.named(renamed)).site())
    finally:
        with server.connect() as connection:
            connection.execute(
                statement.format(sql.Identifier(renamed), sql.Identifier(_name(ground.database)))
            )


@pytest.mark.parametrize(
    "contents", ["", "{", "[]", '"dev"', '{"dev": {}}', '{"dev": 1}', '{"staging": {}}', "\x00\x01"]
)
def test_a_damaged_memory_is_an_error_and_never_an_empty_one(ground: Ground, contents: str) -> None:
    file, files = ground.root / "state" / "identities.json", ground.files()
    file.write_text(contents)
    for operation in (
        lambda: backup.backup(ground.site()),
        lambda: identity.identity(ground.site(), accept=False),
        lambda: identity.identity(ground.site(), accept=True),
    ):
        with pytest.raises(LedgerError, match=r"identities\.json cannot be read") as failure:
            operation()
        assert failure.value.exit_code == 1
        assert "make identity ACCEPT=1" in failure.value.hint
    assert file.read_text() == contents, "it was left as it was found"
    assert ground.files() == files
    file.unlink()
    identity.identity(ground.site(), accept=True)
    backup.backup(ground.site())
