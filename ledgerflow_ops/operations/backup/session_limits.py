"""Sees to it beforehand that an operation gets the sessions it needs at once."""

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.inspection import connection_limits
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.postgres.connection_limits import shortage


def require_sessions(connection: Connection, needed: int, what: str) -> None:
    """Refused where a limit allows fewer sessions than `what` needs; LedgerError where others have them."""
    found = shortage(connection_limits.limits(connection), needed, what)
    if found:
        raise (LedgerError if found.passes else Refused)(found.message, hint=found.hint)
