"""The status of an environment from its folders alone: no database is queried, no byte of a dump is read."""

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
from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.monitoring import anomalies, objectives
from ledgerflow_ops.core.monitoring.objectives import Objectives
from ledgerflow_ops.core.presentation import day_status
from ledgerflow_ops.core.presentation.day_status import DayStatus
from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.operations import quarantined, removal_history, summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import disk_space
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.retention import pins


@dataclass(frozen=True)
class FolderStatus:
    """An environment's folder at an instant. `present` are its backups, `past` those that rotation removed,
    newest first; `others` are dumps without a manifest. `trouble` says why the folder could not be read."""

    env: EnvironmentContext
    now: datetime
    present: tuple[BackupSummary, ...] = ()
    past: tuple[BackupSummary, ...] = ()
    others: tuple[ListedDump, ...] = ()
    pins: tuple[Pin, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    spaces: tuple[LocationSpace, ...] = ()
    trouble: LedgerError | None = field(default=None, compare=False)

    @property
    def proven(self) -> BackupSummary | None:
        """The newest proven backup of the environment's own database."""
        return newest_proven(summaries.own_backups(self.env, self.present))

    @property
    def newest(self) -> BackupSummary | None:
        return self.present[0] if self.present else None

    @property
    def age(self) -> str:
        """The age of the newest proven recovery point, in words; empty where nothing is proven."""
        if self.proven is None:
            return ""
        age = self.now - self.proven.recovery_point
        return f"{format_duration(age)} old" if age >= timedelta() else "IN THE FUTURE: is the clock right?"

    @cached_property
    def objectives(self) -> Objectives:
        """RPO, RTO and drill coverage, with their objectives."""
        return evaluate_environment(self.env, self.present, self.now)

    @property
    def emptied(self) -> list[str]:
        """Sentences on tables that have become empty by habit: worth a word, and no finding."""
        own = summaries.own_backups(self.env, self.present)
        return anomalies.emptied_by_habit(own, self.env.settings.append_only)

    @property
    def next_run(self) -> datetime | None:
        """When the next scheduled backup is due; None where backups are not scheduled."""
        settings = self.env.settings
        return (
            schedule.next_due(self.now, settings.schedule, settings.zone) if settings.is_scheduled else None
        )

    def days(self, count: int) -> list[DayStatus]:
        """The last `count` days up to today, the oldest first."""
        settings = self.env.settings
        today = self.now.astimezone(settings.zone).date()
        late = schedule.due_at(today, settings.schedule, settings.zone)
        awaited = settings.is_scheduled and self.now <= late + timedelta(minutes=settings.late_minutes)
        return day_status.day_statuses(self.present, self.past, today, count, awaited=awaited)

    def backups(self) -> list[dict[str, Any]]:
        """All dumps as JSON: sound backups newest first, then those with a problem or without a manifest."""
        sound = [_backup_json(item) for item in self.present if not item.problem]
        unsound = [_backup_json(item) for item in self.present if item.problem] + [
            _dump_json(item) for item in self.others
        ]
        return sound + sorted(unsound, key=lambda item: str(item["file"]))


def read_folder_status(env: EnvironmentContext) -> FolderStatus:
    """The status now. Never an error: `trouble` has what cannot be read."""
    fields: dict[str, Any] = {
        "env": env,
        "now": env.ctx.clock(),
        "spaces": tuple(disk_space.location_spaces(env)),
    }
    try:
        with _translated_errors(env):
            fields["past"] = tuple(removal_history.removed_backups(env))
            listed = summaries.list_dumps(env)
            fields["present"] = tuple(newest_first(item.summary for item in listed if item.summary))
            fields["others"] = tuple(item for item in listed if item.summary is None)
            fields["pins"] = tuple(pins.active_pins(env))
            fields["quarantined"] = tuple(quarantined.quarantined_backups(env))
    except LedgerError as error:
        fields["trouble"] = error
    return FolderStatus(**fields)


def evaluate_environment(
    env: EnvironmentContext, present: Sequence[BackupSummary], now: datetime | None = None
) -> Objectives:
    """These backups of an environment against the objectives in its settings, now or at an instant."""
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
    """Translate the operating system's errors while the folder is read."""
    with translated(env.store.location):
        yield


def _backup_json(backup: BackupSummary) -> dict[str, Any]:
    return {
        "file": backup.name.dump,
        "day": backup.day.isoformat(),
        "size": backup.size,
        "state": backup.state,
        "proven": backup.proven,
        "recovery_point": backup.recovery_point.isoformat(),
        "problem": backup.problem,
        "not_decrypted": backup.undecrypted,
    }


def _dump_json(dump: ListedDump) -> dict[str, Any]:
    return {
        "file": dump.name.dump,
        "day": None,
        "size": dump.size,
        "state": dump.state,
        "proven": False,
        "recovery_point": None,
        "problem": dump.problem,
        "not_decrypted": "",
    }
