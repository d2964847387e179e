"""Limits on an account's sessions are reported before a backup, with the statement that raises them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


@pytest.fixture(scope="module")
def books(session_root: Path) -> Iterator[Database]:
    """A small database, reached as an ordinary account that may read all of it."""
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as server,
    ):
        run_statements(server.database, "CREATE DATABASE books", 'CREATE ROLE "the clerk" LOGIN')
        run_statements(server.database, 'GRANT pg_read_all_data TO "the clerk"')
        made = server.database.named("books")
        run_statements(made, "CREATE TABLE t AS SELECT 1 AS a")
        yield made.as_user("the clerk")


def _limit(books: Database, role: int = -1, database: int = -1) -> None:
    run_statements(
        books.as_user("postgres"),
        f'ALTER ROLE "the clerk" CONNECTION LIMIT {role}',
        f"ALTER DATABASE books CONNECTION LIMIT {database}",
    )


@pytest.mark.parametrize(
    ("limits", "message", "statement"),
    [
        ({"role": 1}, "the role the clerk allows 1.", 'ALTER ROLE "the clerk" CONNECTION LIMIT 3;'),
        ({"role": 2}, "the role the clerk allows 2.", 'ALTER ROLE "the clerk" CONNECTION LIMIT 3;'),
        ({"database": 1}, "the database books allows 1.", 'ALTER DATABASE "books" CONNECTION LIMIT 3;'),
    ],
)
def test_a_limit_is_reported_with_what_raises_it(
    books: Database, root: Path, limits: dict[str, int], message: str, statement: str
) -> None:
    sandbox = Sandbox(root, books)
    _limit(books, **limits)
    with pytest.raises(Refused) as told:
        sandboxes.take_backup(sandbox.env())
    assert told.value.message == f"A backup needs 3 connections at once; {message}"
    assert str(told.value.hint) == statement
    assert not sandbox.entries()
    checks = doctor.examine(sandbox.env().ctx, [sandbox.env()])
    assert [str(check.hint) for check in checks if check.name == "dev source" and not check.passed] == [
        statement
    ]
    run_statements(books.as_user("postgres"), statement)
    env = sandbox.env(rules=[])
    sandboxes.prove_backup(env, sandboxes.take_backup(env))


def test_what_others_have_taken_is_counted(books: Database, root: Path) -> None:
    """The limit is high enough, but other sessions use it: another attempt may succeed."""
    _limit(books, role=3)
    other = Database({**books.parameters, "options": ""})
    with other.connect() as connection:
        connection.execute("SET application_name = 'an application'")
        with pytest.raises(LedgerError) as told:
            sandboxes.take_backup(Sandbox(root, books).env())
        assert "the role the clerk allows 3 (1 in use)" in told.value.message
        assert str(told.value.hint) == 'ALTER ROLE "the clerk" CONNECTION LIMIT 4;'
        assert told.value.may_pass


def test_a_limit_that_keeps_us_out_altogether_is_reported_with_what_raises_it(books: Database) -> None:
    _limit(books, role=0)
    with pytest.raises(LedgerError, match="too many connections for role") as told, books.connect():
        pytest.fail("it was let in")
    assert 'ALTER ROLE "the clerk" CONNECTION LIMIT 3;' in told.value.hint
