"""Names the table and column of a value that is too large for a server to write as text."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

_TOO_BIG = re.compile(
    r"invalid memory alloc request size|string buffer exceeds maximum|cannot enlarge string buffer"
    r"|out of memory|enlarge.* buffer",
    re.IGNORECASE,
)
"""MaxAllocSize (memutils.h) is 1 GB minus one byte: the limit of a row as text. Hex doubles a bytea."""
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
    "takes two characters for each byte. Store it as large objects (lo_from_bytea), or in parts below 256 MB."
)


@contextmanager
def name_oversized_values(at: Mapping[str, str]) -> Iterator[None]:
    """Name table and column in an error about a too large value. `at` are the connection parameters."""
    try:
        yield
    except psycopg.Error as error:
        if _TOO_BIG.search(str(error)) and (table := _copied_table(_failed_query(error))):
            raise _oversized_error(at, table, str(error)) from None
        raise
    except LedgerError as error:
        if _TOO_BIG.search(error.message) and (table := _copied_table(error.message)):
            raise _oversized_error(at, table, error.message) from None
        raise


def _failed_query(error: psycopg.Error) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def _copied_table(text: str) -> str | None:
    match = _COPY.search(text)
    return _NEEDLESS.sub(r"\1", match[1]) if match else None


def _oversized_error(at: Mapping[str, str], table: str, cause: str) -> LedgerError:
    sizes = _largest_columns(at, table)
    columns = ", ".join(f"{name} (up to {size / 1e6:.0f} MB)" for name, size in sizes)
    where = f", in {columns}" if columns else ""
    return LedgerError(
        f"{table} has a row that is too large to be written as text{where}:\n{cause}", hint=_HINT
    )


def _largest_columns(at: Mapping[str, str], table: str) -> list[tuple[str, int]]:
    """The columns with the largest values, with their sizes in bytes; empty if the query fails."""
    try:
        with LimitedConnection.connect(**at, autocommit=True) as connection:  # type: ignore[arg-type]
            sizes = [
                (name, _largest(connection, table, name, bool(plain)))
                for name, plain in connection.execute(_COLUMNS, [table]).fetchall()
            ]
    except (psycopg.Error, TimeoutError):
        return []
    sizes.sort(key=lambda size: -size[1])
    return [size for size in sizes if size[1] >= _HALF_AS_TEXT] or sizes[:1]


def _largest(connection: LimitedConnection, table: str, column: str, plain: bool) -> int:
    measure = sql.SQL("octet_length" if plain else "pg_column_size")
    form = sql.SQL("SELECT max({}({})) FROM ONLY {}")
    row = connection.execute(form.format(measure, sql.Identifier(column), sql.SQL(table))).fetchone()
    return int(row[0] or 0) if row else 0
