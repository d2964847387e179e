"""The sample's ledger, made as large as a benchmark wants it."""

from collections.abc import Callable
from typing import LiteralString

from ledgerflow_ops.sample import scripts

Report = Callable[[int, int], None]

# Measured: what one more statement file takes in all tables together, and what is there without any.
_BYTES_PER_STATEMENT = 60_700
_BYTES_WITHOUT = 400_000

# 15 MB, half a second: often enough for a progress line, seldom enough not to cost time.
_STATEMENTS_PER_STEP = 250

_LAST_STATEMENT = "SELECT max(id) FROM public.profiles_statementfile"
_TABLE_BYTES = """
    SELECT sum(pg_table_size(oid))::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def grow(connection: scripts.Connection, target_bytes: int, report: Report | None = None) -> int:
    """Add statement files until the sample's tables take about `target_bytes`; return what they take.

    `connection` is a superuser's, to a database that holds the sample as `install` made it or as this
    left it, and not inside a transaction. The ledger grows in one transaction, then the tables are
    vacuumed; one that is large enough already is only vacuumed. `report` is called with the bytes
    there are and the target after each step. How many files are added depends on the target alone,
    so equal targets give equal contents, in one step or in several; constraints, sequences, views
    and rules hold afterwards as before.
    """
    with scripts.autocommit(connection):
        with scripts.transaction(connection):
            # Spares looking up millions of foreign keys: the script refers only to rows it has seen.
            scripts.set_locally(connection, {"session_replication_role": "replica"})
            _add_missing(connection, target_bytes, report)
            scripts.run(connection, "settle.sql")
        # Otherwise the first to read the new rows would rewrite them, in the middle of a measurement.
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        return _number(connection, _TABLE_BYTES)


def _add_missing(connection: scripts.Connection, target_bytes: int, report: Report | None) -> None:
    """Add the statement files that the ledger lacks for `target_bytes`, step by step."""
    last = (target_bytes - _BYTES_WITHOUT) // _BYTES_PER_STATEMENT
    for first in range(_number(connection, _LAST_STATEMENT) + 1, last + 1, _STATEMENTS_PER_STEP):
        scripts.add_statements(connection, first, min(first + _STATEMENTS_PER_STEP - 1, last))
        if report is not None:
            report(_number(connection, _TABLE_BYTES), target_bytes)


def _number(connection: scripts.Connection, query: LiteralString) -> int:
    """Return the one integer that `query` asks for."""
    row = connection.execute(query).fetchone()
    if row is None or not isinstance(row[0], int):
        raise ValueError(f"{query.strip()} gave {row!r}, not one integer: is this the sample?")
    return row[0]
