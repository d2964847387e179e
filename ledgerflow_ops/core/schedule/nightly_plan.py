"""What an environment's night still needs: the backup, its copies, the rotation, then the rolling drill.

It is decided from recorded facts alone, each time anew. After a restart, a suspend or a jump of the clock the
answer is the same, so nothing is requested twice and nothing is forgotten.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary


class Task(StrEnum):
    """The tasks of a night, in this order."""

    BACKUP = "backup"
    ARCHIVE = "archive"
    ROTATE = "rotate"
    REDRILL = "redrill"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run that was requested. `ended` (aware) is None while it is queued or running.

    `may_pass` says whether the cause of its failure may be gone the next time.
    """

    task: Task
    ended: datetime | None = None
    succeeded: bool = False
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a task is requested, and how often it is retried.

    The schedule's tick counts within `grace`. The sensor behind it waits for twice that, so the two never
    request a run at the same time. After a failure that may pass, the next attempt waits for `wait`, doubled
    each time up to `longest_wait`, and there are at most `attempts`.
    """

    grace: timedelta = timedelta(minutes=3)
    wait: timedelta = timedelta(minutes=2)
    longest_wait: timedelta = timedelta(hours=1)
    attempts: int = 12


@dataclass(frozen=True, slots=True)
class Night:
    """The night whose backup was due last: its day, the instant it was due (UTC), and what is known of it.

    `proven`: there is a proven backup of this day, taken after that instant. `busy`: somebody else is taking
    a backup of this day. `attempts` are those of this night, `present` the backups in the environment's
    folder, read once for all decisions.
    """

    day: date
    due: datetime
    today: date
    proven: bool
    busy: bool
    attempts: Sequence[Attempt]
    present: Sequence[BackupSummary] = ()

    def of(self, task: Task) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.task is task]


@dataclass(frozen=True, slots=True)
class NightDecision:
    """The task to request now (None: none), and why. `number` counts the attempts from 1."""

    task: Task | None
    reason: str
    number: int = 1


def next_task(night: Night, now: datetime, offered: Collection[Task], retries: RetryPolicy) -> NightDecision:
    """The task to request at `now` (aware). `offered` are the tasks that may be requested."""
    backup = _backup_decision(night, now, retries)
    if backup is not None:
        stopped = backup.task is not None and backup.task not in offered
        return NightDecision(None, "the schedule of its backups is stopped") if stopped else backup
    if Task.ARCHIVE in offered and (copies := _archive_decision(night, now, retries)):
        return copies
    for task in (Task.ROTATE, Task.REDRILL):
        if task not in offered or (task is Task.ROTATE and not _has_backup(night)):
            continue
        attempts = night.of(task)
        if not attempts:
            return NightDecision(task, f"{task} of the night of {night.day}")
        if any(attempt.ended is None for attempt in attempts):
            return NightDecision(None, f"the {task} is running")
    return NightDecision(None, f"the night of {night.day} is done")


def _archive_decision(night: Night, now: datetime, retries: RetryPolicy) -> NightDecision | None:
    """The request of the copies; None where they are made, or are being made: nothing waits for them.

    They are tried again as a backup is. What is still missing then is made by the next night's.
    """
    attempts = night.of(Task.ARCHIVE)
    if not night.proven or any(attempt.ended is None or attempt.succeeded for attempt in attempts):
        return None
    if not attempts:
        return NightDecision(Task.ARCHIVE, f"the copies of the backup of {night.day}")
    again = _retry_decision(attempts, now, retries)
    return again if again and again.task else None


def _has_backup(night: Night) -> bool:
    return night.proven or any(attempt.succeeded for attempt in night.of(Task.BACKUP))


def _backup_decision(night: Night, now: datetime, retries: RetryPolicy) -> NightDecision | None:
    """The decision on the backup; None when the night can continue without one."""
    attempts = night.of(Task.BACKUP)
    if any(attempt.ended is None for attempt in attempts):
        return NightDecision(None, "the backup is running")
    if _has_backup(night):
        return None
    if night.day != night.today:
        return NightDecision(None, f"{night.day} has passed without a proven backup; the next is not due yet")
    if night.busy:
        return NightDecision(None, "somebody else's backup of today is running")
    if not attempts:
        if now < night.due + 2 * retries.grace:
            return NightDecision(None, "the backup is due, and its schedule comes first")
        return NightDecision(
            Task.BACKUP, f"the backup of {night.day} was due at {night.due:%Y-%m-%d %H:%M} UTC"
        )
    return _retry_decision(attempts, now, retries)


def _retry_decision(attempts: Sequence[Attempt], now: datetime, retries: RetryPolicy) -> NightDecision | None:
    """Whether and when to retry; None when that would not help."""
    last = max(attempts, key=lambda attempt: attempt.ended or now)
    if not last.may_pass or len(attempts) >= retries.attempts:
        return None
    assert last.ended is not None
    again = last.ended + min(retries.wait * 2 ** (len(attempts) - 1), retries.longest_wait)
    # After the clock was set back, the retry must not wait until the old time comes again.
    if last.ended <= now < again:
        return NightDecision(None, f"attempt {len(attempts) + 1} follows at {again:%H:%M:%S} UTC")
    return NightDecision(
        last.task, f"attempt {len(attempts)} failed for a reason that may have passed", len(attempts) + 1
    )


def is_on_time(tick: datetime, due: datetime, now: datetime, retries: RetryPolicy) -> bool:
    """Whether the schedule's tick is in time and requests the run. A late one is left to the sensor."""
    return now < max(tick, due) + retries.grace and tick < due + retries.grace
