"""Makes databases and roles in the session's server, and removes them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import drop_database


@contextmanager
def made(
    server: Database, *, like: str = "template0", options: str = "", name: str = ""
) -> Iterator[Database]:
    """A new database on the server, gone afterwards."""
    name = name or f"made_{secrets.token_hex(4)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} " + options)
    with server.connect() as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(like)))
    try:
        yield server.named(name)
    finally:
        drop_database.drop_database(server, name)


@contextmanager
def roles(server: Database, *names: str) -> Iterator[None]:
    """New roles in the whole cluster, gone afterwards; whoever owns something then must be gone before."""
    with server.connect() as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    try:
        yield
    finally:
        with server.connect() as connection:
            for name in names:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def run(database: Database, *statements: str | bytes) -> None:
    """Run statements, each on its own, where unqualified names mean the schema public."""
    with database.connect() as connection:
        connection.execute("SET search_path = public")
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)


def parts(script: str, major: int) -> list[str]:
    """The statements of a script of ours, those of the parts that servers of that major version know."""
    text = resources.files("ledgerflow_ops_tests").joinpath(script).read_text()
    found = [part.partition("\n") for part in text.split("\n-- from ")[1:]]
    return [statements for since, _, statements in found if int(since) <= major]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
