"""Values that a server cannot write as text: their table and column are named. Hex doubles a bytea."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.limited_connection import Limited
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

_TOO_BIG = re.compile(
    r"invalid memory alloc request size|string buffer exceeds maximum|cannot enlarge string buffer"
    r"|out of memory|enlarge.* buffer",
    re.IGNORECASE,
)
"""MaxAllocSize (memutils.h) is 1 GB less a byte: no row and no value can be longer as text."""
_COPY = re.compile(r"COPY ((?:\"(?:[^\"]|\"\")+\"|\w+)\.(?:\"(?:[^\"]|\"\")+\"|\w+)) \(")
_NEEDLESS = re.compile(r'"([a-z_][a-z0-9_]*)"')
_COLUMNS = """
    SELECT attname, atttypid IN ('bytea'::regtype, 'text'::regtype, 'varchar'::regtype)
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attlen = -1 AND attgenerated = ''
"""
_HALF_AS_TEXT = 256 * 1024 * 1024
_HINT = Hint(
    "Nothing was kept. pg_dump cannot write it either: the text of a row must stay below 1 GB, and bytea "
    "takes two letters for a byte. Store it as large objects (lo_from_bytea), or in parts below 256 MB."
)


@contextmanager
def named(at: Mapping[str, str]) -> Iterator[None]:
    """An error that comes of too big a value names its table and column. `at` is how to connect."""
    try:
        yield
    except psycopg.Error as error:
        if _TOO_BIG.search(str(error)) and (table := _table(_query(error))):
            raise _told(at, table, str(error)) from None
        raise
    except LedgerError as error:
        if _TOO_BIG.search(error.message) and (table := _table(error.message)):
            raise _told(at, table, error.message) from None
        raise


def _query(error: psycopg.Error) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def _table(text: str) -> str | None:
    found = _COPY.search(text)
    return _NEEDLESS.sub(r"\1", found[1]) if found else None


def _told(at: Mapping[str, str], table: str, cause: str) -> LedgerError:
    sizes = _sizes(at, table)
    columns = ", ".join(f"{name} (up to {size / 1e6:.0f} MB)" for name, size in sizes)
    where = f", in {columns}" if columns else ""
    return LedgerError(
        f"{table} holds more in a row than can be written as text{where}:\n{cause}", hint=_HINT
    )


def _sizes(at: Mapping[str, str], table: str) -> list[tuple[str, int]]:
    """The columns with the largest values, in bytes; none if it cannot be asked."""
    try:
        with Limited.connect(**at, autocommit=True) as connection:  # type: ignore[arg-type]
            found = [
                (name, _largest(connection, table, name, bool(plain)))
                for name, plain in connection.execute(_COLUMNS, [table]).fetchall()
            ]
    except (psycopg.Error, TimeoutError):
        return []
    found.sort(key=lambda one: -one[1])
    return [one for one in found if one[1] >= _HALF_AS_TEXT] or found[:1]


def _largest(connection: Limited, table: str, column: str, plain: bool) -> int:
    measure = sql.SQL("octet_length" if plain else "pg_column_size")
    form = sql.SQL("SELECT max({}({})) FROM ONLY {}")
    row = connection.execute(form.format(measure, sql.Identifier(column), sql.SQL(table))).fetchone()
    return int(row[0] or 0) if row else 0
