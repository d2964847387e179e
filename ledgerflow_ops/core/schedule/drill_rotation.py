"""The rolling drill: which older backups are restored again tonight.

Each kept backup is restored at least every `every_days` days, and no night takes longer than its budget.
Drills are planned whole: a drill of fifty minutes needs a night with fifty minutes left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.schedule.drill_packing import DueDrill, pack_drills, smallest_capacity

_DAY = timedelta(days=1)
_UNKNOWN_SECONDS_PER_BYTE = 1e-7
"""The estimate where nothing was ever measured: 10 MB a second, slower than any usable disk."""
_LEAST_SECONDS = 5.0
_SLACK = timedelta(hours=6)
"""How much later than the one before a night may begin: the clock changes, or a backup takes long."""
_MARGIN = 1.1
"""The advice is for drills that take a tenth longer than they were estimated."""


@dataclass(frozen=True, slots=True)
class DrillCandidate:
    """A kept backup: its size in bytes, when it was last restored (None: never), and how many seconds that
    took.

    `trouble` says why it cannot be restored here, for example because its bytes are only in the cloud.
    """

    file: str
    day: date
    size: int
    restored_at: datetime | None
    seconds: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PlannedDrill:
    """A drill planned for tonight, its estimated seconds, and why it is due."""

    kept: DrillCandidate
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """Which backups the rolling drill has covered. `budget` and `needed` are minutes a night; lists hold
    names.

    `unreachable` are those that alone take longer than the budget. `needed` is the least budget, in whole
    minutes, in which all drills of one round fit into its nights, each a tenth longer than estimated. A round
    has one night fewer than `every_days`: a night that begins later than the one that many days ago would be
    too late.
    """

    kept: int
    covered: tuple[str, ...]
    overdue: tuple[str, ...]
    never: tuple[str, ...]
    unreachable: tuple[str, ...]
    troubled: Mapping[str, str]
    every_days: int
    budget: int
    needed: int

    @property
    def whole(self) -> bool:
        """Whether every kept backup has been restored in time."""
        return len(self.covered) == self.kept

    @property
    def enough(self) -> bool:
        """Whether the budget is enough for all of them."""
        return self.needed <= self.budget and not self.unreachable

    @property
    def sentence(self) -> str:
        """The status in one sentence."""
        if not self.kept:
            return "There is no backup to restore."
        restored = (
            f"{len(self.covered)} of {count_of(self.kept, 'backup was', 'backups were')} restored within "
            f"{count_of(self.every_days, 'day')}"
        )
        parts = [f"{len(self.overdue)} overdue"] if self.overdue else []
        parts += [f"{len(self.never)} never restored"] if self.never else []
        parts += [f"{len(self.troubled)} cannot be restored here"] if self.troubled else []
        if not self.budget:
            parts.append("the rolling drill is off (redrill_minutes = 0)")
        elif not self.enough:
            parts.append(
                f"{self.budget} minutes a night are not enough: redrill_minutes = {self.needed} would be"
            )
        return "; ".join([restored, *parts]) + "."

    def as_json(self) -> dict[str, Any]:
        return {
            "kept": self.kept,
            "covered": list(self.covered),
            "overdue": list(self.overdue),
            "never_restored": list(self.never),
            "unreachable": list(self.unreachable),
            "cannot_be_restored": dict(self.troubled),
            "every_days": self.every_days,
            "budget_minutes": self.budget,
            "needed_minutes": self.needed,
        }


def estimate_seconds(backups: Sequence[DrillCandidate]) -> dict[str, float]:
    """The estimated seconds of each backup's drill, by file: as measured, else from its size."""
    rates = [backup.seconds / max(backup.size, 1) for backup in backups if backup.seconds is not None]
    rate = median(rates) if rates else _UNKNOWN_SECONDS_PER_BYTE
    return {
        backup.file: backup.seconds if backup.seconds is not None else max(_LEAST_SECONDS, backup.size * rate)
        for backup in backups
    }


def plan_tonight(
    backups: Iterable[DrillCandidate], now: datetime, every_days: int, minutes: int
) -> list[PlannedDrill]:
    """Tonight's drills, the oldest proof first, within `minutes`.

    Drills are planned as late as possible, but early enough that every one fits into a night before it is
    due: where many are due on one day, some come earlier. A drill that is due before the next night is
    always tried.
    """
    able = _oldest_first(backup for backup in backups if not backup.trouble)
    seconds, budget = estimate_seconds(able), minutes * 60.0
    able = [backup for backup in able if seconds[backup.file] <= budget]
    nights = {backup.file: _nights_left(backup, now, every_days) for backup in able}
    chosen = _due_tonight(
        [(backup.file, seconds[backup.file]) for backup in able], nights, every_days, budget
    )
    taken = sum(seconds[file] for file in chosen)
    for backup in able:
        if nights[backup.file] <= 1 and backup.file not in chosen and taken + seconds[backup.file] <= budget:
            taken += seconds[backup.file]
            chosen.add(backup.file)
    return [
        PlannedDrill(backup, seconds[backup.file], _reason(backup, now, nights[backup.file] <= 1))
        for backup in able
        if backup.file in chosen
    ]


def rotation_status(
    backups: Iterable[DrillCandidate], now: datetime, every_days: int, minutes: int
) -> RotationStatus:
    """Which backups the rolling drill has covered at `now` (aware), and whether its budget is enough."""
    listed = list(backups)
    able = _oldest_first(backup for backup in listed if not backup.trouble)
    seconds, limit = estimate_seconds(able), timedelta(days=every_days)
    restored = [backup for backup in able if backup.restored_at is not None]
    overdue = [backup.file for backup in restored if backup.restored_at and now - backup.restored_at > limit]
    return RotationStatus(
        kept=len(listed),
        covered=tuple(backup.file for backup in restored if backup.file not in overdue),
        overdue=tuple(overdue),
        never=tuple(backup.file for backup in able if backup.restored_at is None),
        unreachable=tuple(backup.file for backup in able if seconds[backup.file] > minutes * 60),
        troubled={backup.file: backup.trouble for backup in listed if backup.trouble},
        every_days=every_days,
        budget=minutes,
        needed=_needed_minutes(list(seconds.values()), every_days),
    )


def _oldest_first(backups: Iterable[DrillCandidate]) -> list[DrillCandidate]:
    """Never restored ones first, then the oldest proof; among equals the newest backup, the most valuable
    one.
    """
    newest = sorted(backups, key=lambda backup: (backup.day, backup.file), reverse=True)
    restored = [backup for backup in newest if backup.restored_at is not None]
    never = [backup for backup in newest if backup.restored_at is None]
    return never + sorted(restored, key=lambda backup: backup.restored_at or datetime.min)  # noqa: DTZ901


def _nights_left(backup: DrillCandidate, now: datetime, every_days: int) -> int:
    """Within how many nights it has to be restored: 1 means tonight, less that it is overdue.

    One that was never restored is a whole round overdue.
    """
    if backup.restored_at is None:
        return -every_days
    return (backup.restored_at + timedelta(days=every_days) - _SLACK - now) // _DAY + 1


def _needed_minutes(seconds: Sequence[float], every_days: int) -> int:
    return smallest_capacity([round(one * _MARGIN, 3) for one in seconds], max(every_days - 1, 1))


def _due_tonight(
    drills: Sequence[tuple[str, float]], nights: Mapping[str, int], every_days: int, budget: float
) -> set[str]:
    """The drills, of pairs of file and seconds, that tonight has to take so that none is overdue.

    Where that cannot be, all may be late by as few nights as possible. Where even a whole round late is not
    enough, there is no plan: the oldest come first.
    """
    if not drills:
        return set()
    enough = min(budget, 60.0 * _needed_minutes([seconds for _, seconds in drills], every_days))
    for late in range(2 * every_days + 2):
        due = [DueDrill(seconds, max(nights[file] + late, 1)) for file, seconds in drills]
        packed = pack_drills(due, budget, search=late == 0) or pack_drills(due, enough, search=late == 0)
        if packed:
            return {file for (file, _), night in zip(drills, packed, strict=True) if night == 1}
    return set()


def _reason(backup: DrillCandidate, now: datetime, pressing: bool) -> str:
    if backup.restored_at is None:
        return "never restored"
    days = (now - backup.restored_at) // _DAY
    return f"restored {count_of(days, 'day')} ago" + ("" if pressing else ", before too many are due at once")
