"""Says to a server what is no text in the encoding of its databases: names of bytes, as they are."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.core import text_encodings

_NAME = "ledgerflow_bytes_"
_MAKE = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"


def rendered(part: sql.Composable, codec: str) -> bytes:
    """A statement as bytes, its names and words by `encodings.encode`: psycopg would take them for text."""
    if isinstance(part, sql.Composed):
        return b"".join(rendered(one, codec) for one in part)
    held = part._obj  # noqa: SLF001 - psycopg has no other way to what it holds
    if isinstance(part, sql.Identifier):
        return b".".join(b'"' + text_encodings.encode(one, codec).replace(b'"', b'""') + b'"' for one in held)
    if isinstance(part, sql.Literal) and isinstance(held, str):
        return b"'" + text_encodings.encode(held, codec).replace(b"'", b"''") + b"'"
    return text_encodings.encode(held, codec) if isinstance(part, sql.SQL) else part.as_bytes(None)


@contextmanager
def speaking(server: Database, statements: Sequence[bytes]) -> Iterator[Connection]:
    """A session in which these statements can be said, about what all databases of the server share.

    A database takes only text in its own encoding. Where a statement is more than ASCII, the session is in a
    database without an encoding, made for it and dropped with the block: it takes every byte as it is.
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
