"""Which backups are missing: late today, missed on earlier days, never taken at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_first
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.schedule.schedule import due_at, due_days

_NAMED = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DailySchedule:
    """What an environment's schedule promises: a backup a day at `at` in `zone`, at most `late` after it."""

    environment: Environment
    at: time
    zone: ZoneInfo
    late: timedelta


def find_missing_backups(
    summaries: Sequence[BackupSummary],
    promise: DailySchedule,
    now: datetime,
    *,
    cause: str = "",
    working: str = "",
) -> list[Finding]:
    """What is missing at `now` (aware). `summaries` are all backups known, rotated ones too.

    `cause` is why no backup can be taken, where that is known; `working` says that one is being taken.
    """
    newest = next(iter(newest_first(summaries)), None)
    if newest is None:
        return [_never_taken(promise, cause, working)]
    waited = missed_days(newest, promise, now)
    if waited:
        return [_late_finding(newest, waited, promise, cause, working)]
    return list(_gap_findings(summaries, newest))


def missed_days(newest: BackupSummary, promise: DailySchedule, now: datetime) -> list[date]:
    """The days after the newest backup's whose backup is late at `now`, oldest first."""
    begin = due_at(newest.day, promise.at, promise.zone)
    days = due_days(begin, now - promise.late, promise.at, promise.zone)
    return [day for day in days if day > newest.day]


def no_backup_since(newest: BackupSummary) -> str:
    """The cause that a late backup and an RPO that is not kept have in common."""
    return f"no backup of {newest.environment} since {newest.day}"


def _never_taken(promise: DailySchedule, cause: str, working: str) -> Finding:
    return Finding(
        promise.environment,
        "never",
        "backup",
        Level.CRITICAL,
        f"There is no backup of {promise.environment}, and none is known to have been.{working}",
        f"LEDGER_ENV={promise.environment} make backup",
        cause,
    )


def _late_finding(
    newest: BackupSummary, waited: list[date], promise: DailySchedule, cause: str, working: str
) -> Finding:
    due = due_at(waited[-1], promise.at, promise.zone)
    message = (
        f"The backup of {waited[-1]} was due at {due:%Y-%m-%d %H:%M} UTC and has not come. The newest is "
        f"{newest.name.dump} of {newest.day}."
    )
    if len(waited) > 1:
        message += f" Missed before it: {_day_list(waited[:-1])}."
    return Finding(
        promise.environment,
        "late",
        "backup",
        Level.CRITICAL if len(waited) > 1 else Level.WARNING,
        message + working,
        f"LEDGER_ENV={promise.environment} make backup",
        cause or no_backup_since(newest),
        figures={"missed": float(len(waited))},
    )


def _gap_findings(summaries: Sequence[BackupSummary], newest: BackupSummary) -> Iterator[Finding]:
    """The days without a backup just before the newest one: told until there is another."""
    before = [summary.day for summary in summaries if summary.day < newest.day]
    if not before:
        return
    days = [max(before) + _DAY * step for step in range(1, (newest.day - max(before)).days)]
    if days:
        yield Finding(
            newest.environment,
            "missed",
            "backup",
            Level.WARNING,
            f"Backups come again ({newest.name.dump}), but there is none of {_day_list(days)}.",
            f"If a dump of such a day exists elsewhere: LEDGER_ENV={newest.environment} make backfill "
            f"FROM={days[0]} TO={days[-1]}",
            figures={"missed": float(len(days))},
        )


def _day_list(days: Sequence[date]) -> str:
    """Days by name, the newest ones where there are too many."""
    shown = ", ".join(map(str, days[-_NAMED:]))
    return shown if len(days) <= _NAMED else f"{len(days)} days from {days[0]} to {days[-1]}"
