"""Where an environment stands against its objectives: RPO, RTO, and how much was restored lately."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledgerflow_ops.core import summary
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.summary import Summary


@dataclass(frozen=True, slots=True)
class Coverage:
    """The backups that are kept and known not to be bad, and those that no drill restored for too long.

    `overdue` has the ones waited for the longest first.
    """

    kept: int
    overdue: tuple[Summary, ...]

    @property
    def share(self) -> float:
        """The part of them that was restored lately, from 0 to 1; 1 where there is none to restore."""
        return 1.0 if not self.kept else 1 - len(self.overdue) / self.kept


@dataclass(frozen=True, slots=True)
class Standing:
    """RPO and RTO in seconds beside their objectives; None where nothing is proven, or was measured."""

    rpo_seconds: float | None
    rpo_objective: float
    rto_seconds: float | None
    rto_objective: float
    coverage: Coverage

    @property
    def rpo_kept(self) -> bool:
        return self.rpo_seconds is not None and self.rpo_seconds <= self.rpo_objective

    @property
    def rto_kept(self) -> bool:
        return self.rto_seconds is not None and self.rto_seconds <= self.rto_objective


def standing(
    summaries: Sequence[Summary], now: datetime, *, rpo_hours: float, rto_minutes: float, redrill_days: int
) -> Standing:
    """The standing at `now` (aware), from the backups that are there."""
    return Standing(
        rpo_seconds=rpo(summaries, now),
        rpo_objective=rpo_hours * 3600,
        rto_seconds=rto(summaries),
        rto_objective=rto_minutes * 60,
        coverage=coverage(summaries, now, redrill_days),
    )


def freshness(found: Standing, newest: Summary | None, *, expected: bool) -> Check:
    """Whether the newest proven backup is young enough. `expected`: backups are to come by themselves."""
    asked = timedelta(seconds=found.rpo_objective)
    severity = Severity.ERROR if expected else Severity.WARN
    hint = "make backup; make status says what keeps it from coming by itself."
    if newest is None or found.rpo_seconds is None:
        return Check("fresh", False, "NOTHING IS PROVEN.", hint, severity, "nothing proven")
    told = f"{newest.name.dump}, the newest proven, is of {newest.recovery_point:%Y-%m-%d %H:%M %Z}"
    if found.rpo_seconds < 0:
        hint = "See whether the clock is right; then make backup."
        return Check("fresh", False, f"{told}: in the future.", hint, severity, "future")
    if not found.rpo_kept:
        return Check("fresh", False, f"{told}: older than {asked}.", hint, severity, "rpo")
    return Check("fresh", True, f"{told}: no older than {asked}.")


def rpo(summaries: Iterable[Summary], now: datetime) -> float | None:
    """How many seconds of work would be lost now: since the newest proven recovery point. None without."""
    proven = summary.newest_proven(summaries)
    return (now - proven.recovery_point).total_seconds() if proven else None


def rto(summaries: Iterable[Summary]) -> float | None:
    """The restore time in seconds that the drill of the newest proven backup measured."""
    proven = summary.newest_proven(summaries)
    return proven.rto_seconds if proven else None


def coverage(summaries: Iterable[Summary], now: datetime, redrill_days: int) -> Coverage:
    """Which kept backups nobody has restored for more than `redrill_days`.

    One that was never restored is waited for since it was made. Bad ones are told as such, and one whose
    bytes are elsewhere cannot be restored here: neither is counted.
    """
    kept = [one for one in summaries if one.local and not one.bad]
    waiting = [
        one for one in kept if now - (one.restored_at or one.finished_at) > timedelta(days=redrill_days)
    ]
    return Coverage(
        len(kept), tuple(sorted(waiting, key=lambda one: (one.restored_at or one.finished_at, one.name.stem)))
    )
