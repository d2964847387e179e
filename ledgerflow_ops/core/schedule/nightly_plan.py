"""What an environment's night still needs: the backup, then the rotation, then the rolling drill.

Decided from facts alone, again and again: whoever asks after a restart, a sleep or a clock that jumped
gets the same answer, so nothing is asked for twice and nothing is forgotten.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary


class Task(StrEnum):
    """What a night consists of, in this order."""

    BACKUP = "backup"
    ROTATE = "rotate"
    REDRILL = "redrill"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run that was asked for. `ended` is None while it waits or works; `may_pass` says whether what it
    failed of may be gone the next time."""

    task: Task
    ended: datetime | None = None
    succeeded: bool = False
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the night is.

    The timer has `grace` for itself; whoever looks after it comes when twice that has passed, so never do
    both ask at once. After a failure that may pass, the next attempt waits `wait`, doubled each time up to
    `longest_wait`, and there are `attempts` at the most.
    """

    grace: timedelta = timedelta(minutes=3)
    wait: timedelta = timedelta(minutes=2)
    longest_wait: timedelta = timedelta(hours=1)
    attempts: int = 12


@dataclass(frozen=True, slots=True)
class Night:
    """The night whose backup was due last: its day and the instant, and what is known of it.

    `proven`: a backup of this day, from after that instant, that counts. `busy`: a backup of this day is
    being made by somebody else. `attempts` are those of this very night, `present`
    the backups in the environment's folder, read once for all that is decided.
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
    """What to ask for now (None: nothing), and why, in words. `number` counts the attempts from 1."""

    task: Task | None
    reason: str
    number: int = 1


def next_task(night: Night, now: datetime, offered: Collection[Task], rhythm: RetryPolicy) -> NightDecision:
    """What to ask for at `now`. `offered` are the tasks that may be asked for."""
    backup = _backup_decision(night, now, rhythm)
    if backup is not None:
        stopped = backup.task is not None and backup.task not in offered
        return NightDecision(None, "the schedule of its backups is stopped") if stopped else backup
    for task in (Task.ROTATE, Task.REDRILL):
        if task not in offered or (task is Task.ROTATE and not _has_backup(night)):
            continue
        asked = night.of(task)
        if not asked:
            return NightDecision(task, f"{task} of the night of {night.day}")
        if any(attempt.ended is None for attempt in asked):
            return NightDecision(None, f"the {task} is at work")
    return NightDecision(None, f"the night of {night.day} is done")


def _has_backup(night: Night) -> bool:
    return night.proven or any(attempt.succeeded for attempt in night.of(Task.BACKUP))


def _backup_decision(night: Night, now: datetime, rhythm: RetryPolicy) -> NightDecision | None:
    """What the backup needs; None when the night can go on without it."""
    asked = night.of(Task.BACKUP)
    if any(attempt.ended is None for attempt in asked):
        return NightDecision(None, "the backup is at work")
    if _has_backup(night):
        return None
    if night.day != night.today:
        return NightDecision(None, f"{night.day} has passed without a proven backup; the next is not due yet")
    if night.busy:
        return NightDecision(None, "somebody else's backup of today is at work")
    if not asked:
        if now < night.due + 2 * rhythm.grace:
            return NightDecision(None, "the backup is due, and its schedule comes first")
        return NightDecision(
            Task.BACKUP, f"the backup of {night.day} was due at {night.due:%Y-%m-%d %H:%M} UTC"
        )
    return _retry_decision(asked, now, rhythm)


def _retry_decision(asked: Sequence[Attempt], now: datetime, rhythm: RetryPolicy) -> NightDecision | None:
    """Whether and when to try again; None when it would not help."""
    last = max(asked, key=lambda attempt: attempt.ended or now)
    if not last.may_pass or len(asked) >= rhythm.attempts:
        return None
    assert last.ended is not None
    again = last.ended + min(rhythm.wait * 2 ** (len(asked) - 1), rhythm.longest_wait)
    # A clock that was put back must not hold it up until the old time has come again.
    if last.ended <= now < again:
        return NightDecision(None, f"attempt {len(asked) + 1} follows at {again:%H:%M:%S} UTC")
    return NightDecision(Task.BACKUP, f"attempt {len(asked)} failed of what may have passed", len(asked) + 1)


def is_on_time(tick: datetime, due: datetime, now: datetime, rhythm: RetryPolicy) -> bool:
    """Whether the timer's tick asks: only in time. What is late is left to whoever looks after it."""
    return now < max(tick, due) + rhythm.grace and tick < due + rhythm.grace
