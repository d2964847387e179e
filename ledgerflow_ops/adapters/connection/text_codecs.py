"""How psycopg reads and writes text on a connection of ours: byte by byte as the database has it."""

from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq.abc import PGconn

from ledgerflow_ops.core import text_encodings

_TEXT = ("text", "varchar", "bpchar", "name", '"char"')
_UNKNOWN = 0
"""What psycopg reads every type as that it has no loader for."""


def wire(encoding: str) -> str:
    """The client encoding in which the server sends the bytes of a database as they are.

    That is the database's own. psycopg has to know its codec; where it does not, nothing is converted either,
    and what it writes itself is ASCII. A database without an encoding takes every byte as LATIN1.
    """
    if encoding == text_encodings.NO_ENCODING:
        return "LATIN1"
    return text_encodings.NO_ENCODING if encoding in ("MULE_INTERNAL", "EUC_TW") else encoding


def adapt(connection: psycopg.Connection[Any], encoding: str) -> None:
    """Read text from the connection as `encodings.decode` does, and write it as `encodings.encode` does."""
    codec = text_encodings.codec(encoding)
    for name in _TEXT:
        connection.adapters.register_loader(name, _loader(codec))
    connection.adapters.register_loader(_UNKNOWN, _loader(codec))
    if codec != "utf-8":  # a server refuses what is not UTF-8 where it expects that
        connection.adapters.register_dumper(str, _dumper(codec))


@cache
def _loader(used: str) -> type[Loader]:
    class Text(Loader):
        def load(self, data: Buffer) -> str:
            return text_encodings.decode(data, used)

    return Text


@cache
def _dumper(used: str) -> type[Dumper]:
    class Text(Dumper):
        def dump(self, obj: str) -> bytes:
            return text_encodings.encode(obj, used)

    return Text


class Identifier(sql.Identifier):
    """A name, sent as the bytes that it was read from."""

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        codec = _codec(context)
        return b".".join(
            b'"' + text_encodings.encode(part, codec).replace(b'"', b'""') + b'"' for part in self._obj
        )


class Fragment(sql.SQL):
    """A piece of SQL that the server has written itself, sent as the bytes that it was read from."""

    def __init__(self, text: Any) -> None:  # psycopg's own is for literals alone
        super().__init__(text)

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return text_encodings.encode(self._obj, _codec(context))


def _codec(context: AdaptContext | None) -> str:
    connection = context.connection if context else None
    return text_encodings.codec(server_encoding(connection.pgconn)) if connection else "utf-8"


def server_encoding(connection: PGconn) -> str:
    """The encoding of the database that a connection is in, as PostgreSQL calls it."""
    return (connection.parameter_status(b"server_encoding") or b"UTF8").decode()
