"""A database for Dagster's storage, on the session's server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database


@contextmanager
def fresh(server: Database, template: str = "template0") -> Iterator[Database]:
    """A new database, made like `template`; gone afterwards."""
    name = f"dagster_{secrets.token_hex(4)}"
    with server.connect() as connection:
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(make.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield server.named(name)
    finally:
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def disconnect(database: Database) -> None:
    """End the connections to it that an instance has left open: with them it cannot be copied."""
    with database.named("postgres").connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [database.parameters["dbname"]],
        )
