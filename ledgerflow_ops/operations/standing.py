"""What an environment's folders say of it, cheaply: no database is asked and no byte of a dump is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.adapters.oserrors import translated
from ledgerflow_ops.core import objectives, schedule, summary
from ledgerflow_ops.core import standing as deciding
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.objectives import Coverage
from ledgerflow_ops.core.pins import Pin
from ledgerflow_ops.core.standing import Day
from ledgerflow_ops.core.summary import Listed, Summary
from ledgerflow_ops.operations import pins, rooms, summaries
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.rooms import Room


@dataclass(frozen=True)
class Standing:
    """An environment at an instant. `present` lies in the folder, `past` was rotated away, newest first;
    `others` are dumps that no manifest commits. `trouble` says why the folder could not be read."""

    site: Site
    now: datetime
    present: tuple[Summary, ...] = ()
    past: tuple[Summary, ...] = ()
    others: tuple[Listed, ...] = ()
    pins: tuple[Pin, ...] = ()
    rooms: tuple[Room, ...] = ()
    trouble: LedgerError | None = field(default=None, compare=False)

    @property
    def proven(self) -> Summary | None:
        """The newest backup that counts."""
        return summary.newest_proven(self.present)

    @property
    def newest(self) -> Summary | None:
        return self.present[0] if self.present else None

    @property
    def rpo_seconds(self) -> float | None:
        """How much would be lost now: since the newest proven recovery point. None when nothing is proven."""
        return (self.now - self.proven.recovery_point).total_seconds() if self.proven else None

    @property
    def rto_seconds(self) -> float | None:
        """How long the newest proven backup took to restore; None where no drill measured it."""
        return self.proven.rto_seconds if self.proven else None

    @property
    def rpo_objective(self) -> float:
        """Seconds."""
        return self.site.settings.rpo_hours * 3600

    @property
    def rto_objective(self) -> float:
        """Seconds."""
        return self.site.settings.rto_minutes * 60

    @property
    def next_run(self) -> datetime | None:
        """When the next backup comes by itself; None where none does."""
        settings = self.site.settings
        return (
            schedule.next_due(self.now, settings.schedule, settings.zone) if settings.is_scheduled else None
        )

    @property
    def coverage(self) -> Coverage:
        """Which of the backups here were restored within `redrill_days`."""
        return objectives.coverage(self.present, self.now, self.site.settings.redrill_days)

    def days(self, count: int) -> list[Day]:
        """The last days up to today, the oldest first."""
        settings = self.site.settings
        today = self.now.astimezone(settings.zone).date()
        late = schedule.due_at(today, settings.schedule, settings.zone)
        awaited = settings.is_scheduled and self.now <= late + timedelta(minutes=settings.late_minutes)
        return deciding.days(self.present, self.past, today, count, awaited=awaited)

    def backups(self) -> list[dict[str, Any]]:
        """Everything there, for programs: backups newest first, then what is none or is bad at a glance."""
        sound = [_backup(one) for one in self.present if not one.problem]
        wrong = [_backup(one) for one in self.present if one.problem] + [_dump(one) for one in self.others]
        return sound + sorted(wrong, key=lambda one: str(one["file"]))


def standing(site: Site) -> Standing:
    """How it stands now. Never an error: what cannot be read is told in `trouble`."""
    found: dict[str, Any] = {"site": site, "now": site.desk.clock(), "rooms": tuple(rooms.of(site))}
    try:
        with _readable(site):
            found["past"] = tuple(summaries.past(site))
            listed = summaries.listed(site)
            found["present"] = tuple(summary.newest_first(one.summary for one in listed if one.summary))
            found["others"] = tuple(one for one in listed if one.summary is None)
            found["pins"] = tuple(pins.listed(site))
    except LedgerError as error:
        found["trouble"] = error
    return Standing(**found)


@contextmanager
def _readable(site: Site) -> Iterator[None]:
    """What the system says no to while a folder is read, as one error."""
    with translated(site.folder.path):
        yield


def _backup(one: Summary) -> dict[str, Any]:
    return {
        "file": one.name.dump,
        "day": one.day.isoformat(),
        "size": one.size,
        "state": one.state,
        "proven": one.proven,
        "recovery_point": one.recovery_point.isoformat(),
        "problem": one.problem,
    }


def _dump(entry: Listed) -> dict[str, Any]:
    return {
        "file": entry.name.dump,
        "day": None,
        "size": entry.size,
        "state": entry.state,
        "proven": False,
        "recovery_point": None,
        "problem": entry.problem,
    }
