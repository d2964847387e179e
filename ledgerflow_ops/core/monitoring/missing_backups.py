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
    """An environment's schedule: a backup each day at `at` in `zone`, which is late after `late`.

    `since` (aware) is when it was first watched: what was due before that is not missing. None: always.
    """

    environment: Environment
    at: time
    zone: ZoneInfo
    late: timedelta
    since: datetime | None = None

    def due_since_watched(self, after: datetime, until: datetime) -> list[date]:
        """The days whose backup became due after `after` and `since`, and not after `until`, oldest first."""
        begin = max(after, self.since) if self.since else after
        return list(due_days(begin, until, self.at, self.zone))


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
        due = schedule.since is None or schedule.due_since_watched(schedule.since, now - schedule.late)
        return [_never_taken(schedule, cause, working)] if due else []
    missed = missed_days(newest, schedule, now)
    if missed:
        return [_late_finding(newest, missed, schedule, cause, working)]
    return list(_gap_findings(summaries, newest, schedule))


def missed_days(newest: BackupSummary, schedule: DailySchedule, now: datetime) -> list[date]:
    """The days after the newest backup's day whose backup is late at `now`, oldest first."""
    begin = due_at(newest.day, schedule.at, schedule.zone)
    return [day for day in schedule.due_since_watched(begin, now - schedule.late) if day > newest.day]


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


def _gap_findings(
    summaries: Sequence[BackupSummary], newest: BackupSummary, schedule: DailySchedule
) -> Iterator[Finding]:
    """The days without a backup just before the newest one. They are reported until the next backup."""
    before = [summary.day for summary in summaries if summary.day < newest.day]
    if not before:
        return
    missing = [max(before) + _DAY * step for step in range(1, (newest.day - max(before)).days)]
    days = [
        day
        for day in missing
        if schedule.since is None or due_at(day, schedule.at, schedule.zone) > schedule.since
    ]
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
