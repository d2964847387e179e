"""Creates databases and roles in the session's server, and removes them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import drop_database


@contextmanager
def temporary_database(
    server: Database, *, like: str = "template0", options: str = "", name: str = ""
) -> Iterator[Database]:
    """A new database on the server, dropped afterwards."""
    name = name or f"made_{secrets.token_hex(4)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} " + options)
    with server.connect() as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(like)))
    try:
        yield server.named(name)
    finally:
        drop_database.drop_database(server, name)


def fill_small(database: Database) -> None:
    """Put into a new database the least that the sample's data rules query."""
    with database.connect() as connection:
        connection.execute(resources.files("ledgerflow_ops_tests").joinpath("small.sql").read_bytes())


@contextmanager
def temporary_roles(server: Database, *names: str) -> Iterator[None]:
    """New roles in the cluster, dropped afterwards; what they own must be dropped before."""
    with server.connect() as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    try:
        yield
    finally:
        with server.connect() as connection:
            for name in names:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def run_statements(database: Database, *statements: str | bytes) -> None:
    """Run each statement on its own, with the search path `public`."""
    with database.connect() as connection:
        connection.execute("SET search_path = public")
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)


def version_parts(script: str, major: int) -> list[str]:
    """The statements of a script's `-- from VERSION` parts that apply to that major version."""
    text = resources.files("ledgerflow_ops_tests").joinpath(script).read_text()
    version_blocks = [part.partition("\n") for part in text.split("\n-- from ")[1:]]
    return [statements for since, _, statements in version_blocks if int(since) <= major]


def quoted_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
