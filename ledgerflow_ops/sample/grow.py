"""Enlarges the sample's ledger to the size that a benchmark needs."""

from collections.abc import Callable
from typing import LiteralString

from ledgerflow_ops.sample import scripts

Report = Callable[[int, int], None]

# Measured bytes of all tables together: for each statement file, and without any.
_BYTES_PER_STATEMENT = 60_700
_BYTES_WITHOUT = 400_000

# 15 MB, half a second: frequent enough for a progress line, without slowing the work.
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
            # Skips millions of foreign key checks: the script refers only to existing rows.
            scripts.set_locally(connection, {"session_replication_role": "replica"})
            _add_missing(connection, target_bytes, report)
            scripts.run(connection, "settle.sql")
        # Otherwise the first reader of the new rows would set their hint bits, during a measurement.
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
    """Return the result of a query for one integer."""
    row = connection.execute(query).fetchone()
    if row is None or not isinstance(row[0], int):
        raise ValueError(f"{query.strip()} gave {row!r}, not one integer: is this the sample?")
    return row[0]
