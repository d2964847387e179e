"""The rolling drill: which older backups are restored again tonight, so that each one that is kept is
restored at least every so many days, and no night takes longer than its budget."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

_DAY = timedelta(days=1)
_UNKNOWN_SECONDS_PER_BYTE = 1e-7
"""Where nothing was ever measured: 10 MB a second, slower than any disk that is fit for it."""
_LEAST_SECONDS = 5.0
_SLACK = timedelta(hours=6)
"""A night may begin so much later than the one before it: an hour is put in, a backup takes long."""


@dataclass(frozen=True, slots=True)
class DrillCandidate:
    """A backup that is kept: when it was last restored (None: never), and how many seconds that took.

    `trouble` says why it cannot be restored here, such as bytes that are only in the cloud.
    """

    file: str
    day: date
    size: int
    restored_at: datetime | None
    seconds: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PlannedDrill:
    """A backup's turn tonight, and how many seconds it is thought to take."""

    kept: DrillCandidate
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """How far the rolling drill reaches. Figures are minutes a night; lists hold file names.

    `unreachable` are those that alone take longer than the budget; `needed` is what surely does for all:
    their work spread over the nights in which each must come round, and as much as the longest of them,
    for which a night that is nearly full has no room. Those nights are one fewer than `every_days`: a night
    that begins later than the one that many days ago comes too late.
    """

    kept: int
    covered: tuple[str, ...]
    overdue: tuple[str, ...]
    never: tuple[str, ...]
    unreachable: tuple[str, ...]
    troubled: Mapping[str, str]
    every_days: int
    budget: int
    needed: float

    @property
    def whole(self) -> bool:
        """Whether every backup that is kept has been restored in time."""
        return len(self.covered) == self.kept

    @property
    def enough(self) -> bool:
        """Whether the budget reaches for all of them."""
        return self.needed <= self.budget and not self.unreachable

    @property
    def sentence(self) -> str:
        """For people."""
        if not self.kept:
            return "There is no backup to restore."
        told = f"{len(self.covered)} of {self.kept} backups were restored within {self.every_days} days"
        parts = [f"{len(self.overdue)} overdue"] if self.overdue else []
        parts += [f"{len(self.never)} never restored"] if self.never else []
        parts += [f"{len(self.troubled)} cannot be restored here"] if self.troubled else []
        if not self.budget:
            parts.append("the rolling drill is off (redrill_minutes = 0)")
        elif not self.enough:
            minutes = math.ceil(self.needed)
            parts.append(f"{self.budget} minutes a night do not reach: redrill_minutes = {minutes} would")
        return "; ".join([told, *parts]) + "."

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
            "needed_minutes": round(self.needed, 1),
        }


def estimate_seconds(backups: Sequence[DrillCandidate]) -> dict[str, float]:
    """The seconds that each backup's drill is thought to take: as measured, else by its size."""
    rates = [kept.seconds / max(kept.size, 1) for kept in backups if kept.seconds is not None]
    rate = median(rates) if rates else _UNKNOWN_SECONDS_PER_BYTE
    return {
        kept.file: kept.seconds if kept.seconds is not None else max(_LEAST_SECONDS, kept.size * rate)
        for kept in backups
    }


def plan_tonight(
    backups: Iterable[DrillCandidate], now: datetime, every_days: int, minutes: int
) -> list[PlannedDrill]:
    """Tonight's turns, the oldest proof first, within `minutes`.

    As late as possible, but never so late that a coming night would have to do more than its budget: where
    many fall due on one day, some come earlier. What falls due before the next night is always tried.
    """
    able = _oldest_first(kept for kept in backups if not kept.trouble)
    seconds, budget = estimate_seconds(able), minutes * 60.0
    able = [kept for kept in able if seconds[kept.file] <= budget]
    wanted, taken, turns = _needed_seconds(able, seconds, now, every_days, budget), 0.0, list[PlannedDrill]()
    for kept in able:
        pressing = _nights_left(kept, now, every_days) <= 1
        if not pressing and taken >= wanted:
            break
        if taken + seconds[kept.file] <= budget:
            taken += seconds[kept.file]
            turns.append(PlannedDrill(kept, seconds[kept.file], _reason(kept, now, pressing)))
    return turns


def rotation_status(
    backups: Iterable[DrillCandidate], now: datetime, every_days: int, minutes: int
) -> RotationStatus:
    """How far the rolling drill has come, and how far its budget reaches."""
    found = list(backups)
    able = _oldest_first(kept for kept in found if not kept.trouble)
    seconds, limit = estimate_seconds(able), timedelta(days=every_days)
    restored = [kept for kept in able if kept.restored_at is not None]
    overdue = [kept.file for kept in restored if kept.restored_at and now - kept.restored_at > limit]
    longest = max(seconds.values(), default=0.0)
    return RotationStatus(
        kept=len(found),
        covered=tuple(kept.file for kept in restored if kept.file not in overdue),
        overdue=tuple(overdue),
        never=tuple(kept.file for kept in able if kept.restored_at is None),
        unreachable=tuple(kept.file for kept in able if seconds[kept.file] > minutes * 60),
        troubled={kept.file: kept.trouble for kept in found if kept.trouble},
        every_days=every_days,
        budget=minutes,
        needed=(sum(seconds.values()) / max(every_days - 1, 1) + longest) / 60,
    )


def _oldest_first(backups: Iterable[DrillCandidate]) -> list[DrillCandidate]:
    """Never restored first, then the oldest proof; among equals the newest backup, which is worth most."""
    newest = sorted(backups, key=lambda kept: (kept.day, kept.file), reverse=True)
    restored = [kept for kept in newest if kept.restored_at is not None]
    never = [kept for kept in newest if kept.restored_at is None]
    return never + sorted(restored, key=lambda kept: kept.restored_at or datetime.min)  # noqa: DTZ901


def _nights_left(kept: DrillCandidate, now: datetime, every_days: int) -> int:
    """In how many nights, tonight among them, its turn has to come: 1 is tonight."""
    if kept.restored_at is None:
        return 1
    return max(1, (kept.restored_at + timedelta(days=every_days) - _SLACK - now) // _DAY + 1)


def _needed_seconds(
    able: Sequence[DrillCandidate],
    seconds: Mapping[str, float],
    now: datetime,
    every_days: int,
    budget: float,
) -> float:
    """The seconds of work that cannot be left to the nights that follow.

    A night that follows surely does its budget less the longest drill: with more room left than that, another
    one would fit.
    """
    surely = budget - max((seconds[kept.file] for kept in able), default=0.0)
    falling = dict.fromkeys(range(1, every_days + 2), 0.0)
    for kept in able:
        falling[min(_nights_left(kept, now, every_days), every_days + 1)] += seconds[kept.file]
    due, needed = 0.0, 0.0
    for night, work in sorted(falling.items()):
        due += work
        needed = max(needed, due - (night - 1) * surely)
    return needed


def _reason(kept: DrillCandidate, now: datetime, pressing: bool) -> str:
    if kept.restored_at is None:
        return "never restored"
    days = (now - kept.restored_at) // _DAY
    return f"restored {days} days ago" + ("" if pressing else ", before too many fall due at once")
