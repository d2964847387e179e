"""Missing backups: late today, missed on earlier days, never taken at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_first
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.schedule.schedule import due_at, due_days

_NAMED = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DailySchedule:
    """An environment's schedule: a backup each day at `at` in `zone`, which is late after `late`."""

    environment: Environment
    at: time
    zone: ZoneInfo
    late: timedelta


def find_missing_backups(
    summaries: Sequence[BackupSummary],
    schedule: DailySchedule,
    now: datetime,
    *,
    cause: str = "",
    working: str = "",
) -> list[Finding]:
    """The backups that are missing at `now` (aware). `summaries` are all known backups, expired ones too.

    `cause` is why no backup can be taken, where that is known. `working` is a sentence that is appended to
    the message where a backup is being taken.
    """
    newest = next(iter(newest_first(summaries)), None)
    if newest is None:
        return [_never_taken(schedule, cause, working)]
    missed = missed_days(newest, schedule, now)
    if missed:
        return [_late_finding(newest, missed, schedule, cause, working)]
    return list(_gap_findings(summaries, newest))


def missed_days(newest: BackupSummary, schedule: DailySchedule, now: datetime) -> list[date]:
    """The days after the newest backup's day whose backup is late at `now`, oldest first."""
    begin = due_at(newest.day, schedule.at, schedule.zone)
    days = due_days(begin, now - schedule.late, schedule.at, schedule.zone)
    return [day for day in days if day > newest.day]


def no_backup_since(newest: BackupSummary) -> str:
    """The cause that a late backup and a missed RPO share."""
    return f"no backup of {newest.environment} since {newest.day}"


def _never_taken(schedule: DailySchedule, cause: str, working: str) -> Finding:
    return Finding(
        schedule.environment,
        "never",
        "backup",
        Level.CRITICAL,
        f"There is no backup of {schedule.environment}, and none is known to have existed.{working}",
        Hint(make("backup", schedule.environment)),
        cause,
    )


def _late_finding(
    newest: BackupSummary, missed: list[date], schedule: DailySchedule, cause: str, working: str
) -> Finding:
    due = due_at(missed[-1], schedule.at, schedule.zone)
    message = (
        f"The backup of {missed[-1]} was due at {due:%Y-%m-%d %H:%M} UTC and is missing. The newest is "
        f"{newest.name.dump} of {newest.day}."
    )
    if len(missed) > 1:
        message += f" Missed before it: {_day_list(missed[:-1])}."
    return Finding(
        schedule.environment,
        "late",
        "backup",
        Level.CRITICAL if len(missed) > 1 else Level.WARNING,
        message + working,
        Hint(make("backup", schedule.environment)),
        cause or no_backup_since(newest),
        figures={"missed": float(len(missed))},
    )


def _gap_findings(summaries: Sequence[BackupSummary], newest: BackupSummary) -> Iterator[Finding]:
    """The days without a backup just before the newest one. They are reported until the next backup."""
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
            f"Backups exist again ({newest.name.dump}), but none for {_day_list(days)}.",
            Hint(
                "If a dump of such a day exists elsewhere: ",
                make("backfill", newest.environment, FROM=days[0], TO=days[-1]),
            ),
            figures={"missed": float(len(days))},
        )


def _day_list(days: Sequence[date]) -> str:
    """The days, or their number with the first and the last where there are many."""
    shown = ", ".join(map(str, days[-_NAMED:]))
    return shown if len(days) <= _NAMED else f"{len(days)} days from {days[0]} to {days[-1]}"
