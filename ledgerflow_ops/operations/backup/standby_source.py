"""A standby as the source of a backup: the instant that its data is from, and the data that it lacks."""

from datetime import date, datetime

from ledgerflow_ops.adapters.inspection.standby import Standby
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.context import EnvironmentContext

_STANDBY_HINT = Hint(
    "Check it on the standby: SELECT * FROM pg_stat_wal_receiver; SELECT pg_is_wal_replay_paused(); "
    "or take the backup from the primary."
)


def recovery_point_of(
    env: EnvironmentContext, standby: Standby | None, now: datetime, day: date | None
) -> datetime:
    """The recovery point of a snapshot taken `now`, which is earlier where the standby lags.

    LedgerError where it is on another day than `day`.
    """
    if standby is None or (point := standby.as_of(now)) == now:
        return now
    point = point.astimezone(now.tzinfo)
    data_day = point.astimezone(env.settings.zone).date()
    if day is not None and data_day != day:
        raise LedgerError(
            f"The source is a standby, and its data is of {point:%Y-%m-%d %H:%M:%S %Z}: not of {day}.",
            hint=_STANDBY_HINT,
        )
    return point


def unlogged_names(standby: Standby | None) -> tuple[str, ...] | None:
    """The tables and sequences whose data the dump omits, as manifests name them; None where none."""
    return (tuple(name.key for name in standby.unlogged) or None) if standby else None
