"""A pooler in front of the server is reported by name, in every mode, and never as a bad backup."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.session_settings import CANONICAL
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import poolers, sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


@pytest.fixture(scope="module")
def books(session_root: Path) -> Iterator[Database]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as server,
    ):
        run_statements(server.database, "CREATE TABLE t AS SELECT 1 AS a")
        yield server.database


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
@pytest.mark.parametrize("ignored", ["", "options", "options,extra_float_digits,search_path"])
def test_a_pooler_is_refused_by_name_with_the_servers_own_address(
    books: Database, root: Path, mode: str, ignored: str
) -> None:
    with poolers.pgbouncer(root, books, mode, ignored) as pooled:
        sandbox = Sandbox(root, pooled)
        with pytest.raises(Refused) as caught:
            sandboxes.take_backup(sandbox.env())
        checks = doctor.examine(sandbox.env().ctx, [sandbox.env()])
    port = books.parameters["port"]
    assert caught.value.message.startswith(pooled.label)
    assert "connection pooler (PgBouncer or similar) is between us" in caught.value.message
    assert ("unsupported startup parameter" in caught.value.message) == (not ignored)
    assert f"database_url = postgresql://postgres@127.0.0.1:{port}/postgres" in caught.value.hint
    assert not sandbox.entries()
    [failed] = [check for check in checks if not check.passed and check.name == "dev source"]
    assert failed.message == caught.value.message


def test_a_pooler_whose_server_has_our_settings_by_chance_is_still_one(books: Database, root: Path) -> None:
    """They belong to the database, and the startup options of pg_dump would not arrive."""
    ours = {name: value for name, value in CANONICAL.items() if value}  # a list cannot be fixed to be empty
    run_statements(
        books, *(f"ALTER DATABASE postgres SET {name} TO '{value}'" for name, value in ours.items())
    )
    try:
        with (
            poolers.pgbouncer(root, books, "session", "options") as pooled,
            pytest.raises(Refused, match="pooler"),
            pooled.connect(),
        ):
            pytest.fail("it was taken for the server")
    finally:
        run_statements(books, "ALTER DATABASE postgres RESET ALL")


def test_a_way_that_passes_every_byte_on_is_none(books: Database) -> None:
    """Without a pooler nothing is refused, and each session has its own marker."""
    with books.connect() as first, books.connect() as second:
        marks = [
            c.execute("SELECT current_setting('ledgerflow.session')").fetchall() for c in (first, second)
        ]
    assert marks[0] != marks[1]
