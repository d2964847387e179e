"""What the tests of the sample do with databases: make another, read one whole, ask the rules."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledgerflow_ops.sample import RULES

Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def another_database(url: str) -> Iterator[str]:
    """Yield the connection string of a further empty database on the server of `url`; drop it at the end."""
    name = f"sample_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def value(connection: Connection, query: str, *arguments: object) -> object:
    """Return the only column of the only row that `query` gives."""
    (row,) = connection.execute(query.encode(), arguments or None).fetchall()
    (only,) = row
    return only


def broken_rules(connection: Connection) -> set[str]:
    """Return the names of the rules that do not hold, asked the way a restored copy is."""
    connection.execute("SET search_path = ''")
    return {rule.name for rule in RULES if value(connection, f"SELECT ({rule.sql})::text") != rule.expect}


def contents(url: str) -> Mapping[str, bytes]:
    """Return every table, materialized view, sequence and large object of a database as bytes."""
    with psycopg.connect(url) as connection:
        relations = connection.execute("""
            SELECT oid::regclass::text, relkind FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'S')
        """).fetchall()
        queries = {name: _QUERIES[kind].format(name) for name, kind in relations}
        queries["large objects"] = "SELECT oid, lo_get(oid) FROM pg_largeobject_metadata"
        return {name: _copy(connection, query) for name, query in queries.items()}


# Tables in the order of their rows on disk: that, too, is the same in every copy.
_QUERIES = {
    "r": "SELECT * FROM {}",
    "m": "SELECT * FROM {} ORDER BY 1, 2",
    "S": "SELECT last_value, is_called FROM {}",
}


def _copy(connection: Connection, query: str) -> bytes:
    """Return the rows of `query` as COPY prints them."""
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT".encode()) as rows:
        return b"".join(bytes(block) for block in rows)


def tool(url: str, name: str) -> Path:
    """Return the path of a PostgreSQL program that belongs to the server of `url`."""
    with psycopg.connect(url) as connection:
        return Path(str(value(connection, "SELECT setting FROM pg_config WHERE name = 'BINDIR'"))) / name


def dump(url: str, file: Path) -> None:
    """Dump the database of `url` into `file`, the way a backup does."""
    subprocess.run(
        [tool(url, "pg_dump"), "-Fc", "-Z", "zstd:1", "-f", file, "-d", url], check=True, timeout=60
    )


def restore(file: Path, url: str) -> None:
    """Restore `file` into the empty database of `url`; the first error is the end of it."""
    subprocess.run([tool(url, "pg_restore"), "--exit-on-error", "-d", url, file], check=True, timeout=60)
