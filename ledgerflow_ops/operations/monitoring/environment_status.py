"""What an environment's folders say of it, cheaply: no database is asked and no byte of a dump is read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.catalog.catalog import newest_first, newest_proven
from ledgerflow_ops.core.catalog.pins import Pin
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.monitoring import objectives
from ledgerflow_ops.core.monitoring.objectives import Objectives
from ledgerflow_ops.core.presentation import day_status as deciding
from ledgerflow_ops.core.presentation.day_status import DayStatus
from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.operations import removal_history, summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import disk_space
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.retention import pins


@dataclass(frozen=True)
class FolderStatus:
    """An environment at an instant. `present` lies in the folder, `past` was rotated away, newest first;
    `others` are dumps that no manifest commits. `trouble` says why the folder could not be read."""

    env: EnvironmentContext
    now: datetime
    present: tuple[BackupSummary, ...] = ()
    past: tuple[BackupSummary, ...] = ()
    others: tuple[ListedDump, ...] = ()
    pins: tuple[Pin, ...] = ()
    rooms: tuple[LocationSpace, ...] = ()
    trouble: LedgerError | None = field(default=None, compare=False)

    @property
    def proven(self) -> BackupSummary | None:
        """The newest backup that counts."""
        return newest_proven(summaries.own_backups(self.env, self.present))

    @property
    def newest(self) -> BackupSummary | None:
        return self.present[0] if self.present else None

    @property
    def age(self) -> str:
        """How old the newest proven recovery point is, in words; empty where nothing is proven."""
        if self.proven is None:
            return ""
        age = self.now - self.proven.recovery_point
        return f"{format_duration(age)} old" if age >= timedelta() else "IN THE FUTURE: is the clock right?"

    @cached_property
    def objectives(self) -> Objectives:
        """RPO, RTO and what was restored lately, beside what was promised."""
        return evaluate_environment(self.env, self.present, self.now)

    @property
    def next_run(self) -> datetime | None:
        """When the next backup comes by itself; None where none does."""
        settings = self.env.settings
        return (
            schedule.next_due(self.now, settings.schedule, settings.zone) if settings.is_scheduled else None
        )

    def days(self, count: int) -> list[DayStatus]:
        """The last days up to today, the oldest first."""
        settings = self.env.settings
        today = self.now.astimezone(settings.zone).date()
        late = schedule.due_at(today, settings.schedule, settings.zone)
        awaited = settings.is_scheduled and self.now <= late + timedelta(minutes=settings.late_minutes)
        return deciding.day_statuses(self.present, self.past, today, count, awaited=awaited)

    def backups(self) -> list[dict[str, Any]]:
        """Everything there, for programs: backups newest first, then what is none or is bad at a glance."""
        sound = [_backup_json(one) for one in self.present if not one.problem]
        wrong = [_backup_json(one) for one in self.present if one.problem] + [
            _dump_json(one) for one in self.others
        ]
        return sound + sorted(wrong, key=lambda one: str(one["file"]))


def read_folder_status(env: EnvironmentContext) -> FolderStatus:
    """How it stands now. Never an error: what cannot be read is told in `trouble`."""
    found: dict[str, Any] = {
        "env": env,
        "now": env.ctx.clock(),
        "rooms": tuple(disk_space.location_spaces(env)),
    }
    try:
        with _translated_errors(env):
            found["past"] = tuple(removal_history.removed_backups(env))
            listed = summaries.list_dumps(env)
            found["present"] = tuple(newest_first(one.summary for one in listed if one.summary))
            found["others"] = tuple(one for one in listed if one.summary is None)
            found["pins"] = tuple(pins.active_pins(env))
    except LedgerError as error:
        found["trouble"] = error
    return FolderStatus(**found)


def evaluate_environment(
    env: EnvironmentContext, present: Sequence[BackupSummary], now: datetime | None = None
) -> Objectives:
    """Where those backups of an environment stand against what its settings promise, now or at an instant."""
    settings = env.settings
    return objectives.evaluate_objectives(
        summaries.own_backups(env, present),
        now or env.ctx.clock(),
        rpo_hours=settings.rpo_hours,
        rto_minutes=settings.rto_minutes,
        redrill_days=settings.redrill_days,
    )


@contextmanager
def _translated_errors(env: EnvironmentContext) -> Iterator[None]:
    """What the system says no to while a folder is read, as one error."""
    with translated(env.store.location):
        yield


def _backup_json(one: BackupSummary) -> dict[str, Any]:
    return {
        "file": one.name.dump,
        "day": one.day.isoformat(),
        "size": one.size,
        "state": one.state,
        "proven": one.proven,
        "recovery_point": one.recovery_point.isoformat(),
        "problem": one.problem,
    }


def _dump_json(entry: ListedDump) -> dict[str, Any]:
    return {
        "file": entry.name.dump,
        "day": None,
        "size": entry.size,
        "state": entry.state,
        "proven": False,
        "recovery_point": None,
        "problem": entry.problem,
    }
