"""Sends statements whose names are not valid text in the encoding of the databases, byte by byte."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.core import text_encodings

_NAME = "ledgerflow_bytes_"
_MAKE = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"


def render_bytes(part: sql.Composable, codec: str) -> bytes:
    """A statement as bytes, its names and literals encoded by `text_encodings.encode`."""
    if isinstance(part, sql.Composed):
        return b"".join(render_bytes(part_, codec) for part_ in part)
    content = part._obj  # noqa: SLF001 - psycopg has no public access to it
    if isinstance(part, sql.Identifier):
        return b".".join(
            b'"' + text_encodings.encode(part_, codec).replace(b'"', b'""') + b'"' for part_ in content
        )
    if isinstance(part, sql.Literal) and isinstance(content, str):
        return b"'" + text_encodings.encode(content, codec).replace(b"'", b"''") + b"'"
    return text_encodings.encode(content, codec) if isinstance(part, sql.SQL) else part.as_bytes(None)


@contextmanager
def raw_session(server: Database, statements: Sequence[bytes]) -> Iterator[Connection]:
    """A session in which these statements about shared objects (databases, roles) can be executed.

    A database accepts only text in its own encoding. If a statement is not ASCII, the session is in a
    database with the encoding SQL_ASCII, which accepts every byte; it is created for the block and dropped
    after it.
    """
    if all(statement.isascii() for statement in statements):
        with server.connect() as connection:
            yield connection
        return
    name = f"{_NAME}{secrets.token_hex(4)}"
    with server.connect() as connection:
        connection.execute(sql.SQL(_MAKE).format(sql.Identifier(name)))
    try:
        with server.named(name).connect() as connection:
            yield connection
    finally:
        with server.connect() as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
