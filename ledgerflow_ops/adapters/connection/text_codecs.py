"""Makes psycopg read and write text on our connections byte by byte as the database stores it."""

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
"""The OID under which psycopg registers the loader for types that have none."""


def wire_encoding(encoding: str) -> str:
    """The client encoding with which the server sends the bytes of a database unchanged.

    It is the database's own encoding, if psycopg knows a codec for it, and otherwise SQL_ASCII, with which
    the server converts nothing either. For a database with SQL_ASCII it is LATIN1, which maps every byte.
    """
    if encoding == text_encodings.NO_ENCODING:
        return "LATIN1"
    return text_encodings.NO_ENCODING if encoding in ("MULE_INTERNAL", "EUC_TW") else encoding


def register_text_codec(connection: psycopg.Connection[Any], encoding: str) -> None:
    """Read text from the connection by `text_encodings.decode`, and write it by `text_encodings.encode`."""
    codec = text_encodings.codec(encoding)
    for name in _TEXT:
        connection.adapters.register_loader(name, _loader(codec))
    connection.adapters.register_loader(_UNKNOWN, _loader(codec))
    if codec != "utf-8":  # a server with UTF-8 refuses invalid UTF-8 anyway
        connection.adapters.register_dumper(str, _dumper(codec))


@cache
def _loader(codec: str) -> type[Loader]:
    class Text(Loader):
        def load(self, data: Buffer) -> str:
            return text_encodings.decode(data, codec)

    return Text


@cache
def _dumper(codec: str) -> type[Dumper]:
    class Text(Dumper):
        def dump(self, obj: str) -> bytes:
            return text_encodings.encode(obj, codec)

    return Text


class Identifier(sql.Identifier):
    """An identifier, sent as the bytes that it was read from."""

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        codec = _codec(context)
        return b".".join(
            b'"' + text_encodings.encode(part, codec).replace(b'"', b'""') + b'"' for part in self._obj
        )


class Fragment(sql.SQL):
    """A piece of SQL that the server itself has generated, sent as the bytes that it was read from."""

    def __init__(self, text: Any) -> None:  # psycopg's constructor accepts only literals
        super().__init__(text)

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return text_encodings.encode(self._obj, _codec(context))


def _codec(context: AdaptContext | None) -> str:
    connection = context.connection if context else None
    return text_encodings.codec(server_encoding(connection.pgconn)) if connection else "utf-8"


def server_encoding(connection: PGconn) -> str:
    """The encoding of a connection's database, by PostgreSQL's name."""
    return (connection.parameter_status(b"server_encoding") or b"UTF8").decode()
