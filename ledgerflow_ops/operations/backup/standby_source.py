"""A standby as the source of a backup: which instant its data is from, and what it does not have."""

from datetime import date, datetime

from ledgerflow_ops.adapters.inspection.standby import Standby
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.context import EnvironmentContext

_STANDBY_HINT = Hint(
    "Look at it on the standby: SELECT * FROM pg_stat_wal_receiver; SELECT pg_is_wal_replay_paused(); "
    "or take the backup from the primary."
)


def recovery_point_of(
    env: EnvironmentContext, standby: Standby | None, now: datetime, day: date | None
) -> datetime:
    """The recovery point of a snapshot taken `now`: a standby that lags has the data of an earlier instant.

    LedgerError where that lies on another day than the one ordered.
    """
    if standby is None or (point := standby.as_of(now)) == now:
        return now
    point = point.astimezone(now.tzinfo)
    found = point.astimezone(env.settings.zone).date()
    if day is not None and found != day:
        raise LedgerError(
            f"The source is a standby, and its data is of {point:%Y-%m-%d %H:%M:%S %Z}: no backup of {day}.",
            hint=_STANDBY_HINT,
        )
    return point


def unlogged_names(standby: Standby | None) -> tuple[str, ...] | None:
    """The tables and sequences whose data the dump leaves out, as manifests name them; None where none."""
    return (tuple(name.key for name in standby.unlogged) or None) if standby else None
