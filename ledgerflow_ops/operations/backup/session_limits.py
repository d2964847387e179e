"""Checks beforehand that an operation can open as many sessions as it needs at once."""

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.inspection import connection_limits
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.postgres.connection_limits import shortage


def require_sessions(connection: Connection, needed: int, what: str) -> None:
    """Refused where a limit allows fewer sessions than `what` needs; LedgerError where others use them."""
    missing = shortage(connection_limits.read_connection_limits(connection), needed, what)
    if missing:
        raise (LedgerError if missing.passes else Refused)(missing.message, hint=missing.hint)
