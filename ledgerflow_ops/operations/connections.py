"""Sees to it beforehand that an operation gets the sessions it needs at once."""

from ledgerflow_ops.adapters import connections
from ledgerflow_ops.adapters.postgres import Connection
from ledgerflow_ops.core.connections import shortage
from ledgerflow_ops.core.errors import LedgerError, Refused


def require(connection: Connection, needed: int, what: str) -> None:
    """Refused where a limit allows fewer sessions than `what` needs; LedgerError where others have them."""
    found = shortage(connections.limits(connection), needed, what)
    if found:
        raise (LedgerError if found.passes else Refused)(found.message, hint=found.hint)
