"""Runs the SQL files of this package, always with the same session settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import psycopg

Connection = psycopg.Connection[tuple[object, ...]]

TRANSACTIONS_PER_STATEMENT = 49

# The settings on which the meaning of a statement, the text of a value or a timeout may depend.
_SETTINGS = {
    "search_path": "public",
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # Compiling these queries takes longer than running them.
    "jit": "off",
}


@contextmanager
def autocommit(connection: Connection) -> Iterator[None]:
    """Switch autocommit on within the block, then restore it.

    The connection must not be inside a transaction: psycopg refuses to switch there.
    """
    before = connection.autocommit
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = before


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the block in one transaction, with the settings that every script relies on."""
    with connection.transaction():
        set_locally(connection, _SETTINGS)
        yield


def set_locally(connection: Connection, settings: dict[str, str]) -> None:
    """Change server settings until the end of the transaction; `sample.*` ones are a script's arguments."""
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def run(connection: Connection, name: str) -> None:
    """Execute all statements of the SQL file `name`, which is UTF-8, of this package."""
    script = resources.files(__package__).joinpath(name).read_bytes()
    # A prepared statement cannot hold several commands, and psycopg prepares queries that are repeated.
    connection.execute(script, prepare=False)


def add_statements(connection: Connection, first: int, last: int) -> None:
    """Add the statement files `first` to `last` with their transactions, journals and audit entries."""
    arguments = {
        "first_statement": first,
        "last_statement": last,
        "per_statement": TRANSACTIONS_PER_STATEMENT,
        "first_transaction": (first - 1) * TRANSACTIONS_PER_STATEMENT + 1,
        "last_transaction": last * TRANSACTIONS_PER_STATEMENT,
    }
    set_locally(connection, {f"sample.{name}": str(value) for name, value in arguments.items()})
    run(connection, "ledger.sql")
