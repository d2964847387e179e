"""Where an environment stands against its objectives: RPO, RTO, and how much was restored lately."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_proven
from ledgerflow_ops.core.checks import Check, Severity


@dataclass(frozen=True, slots=True)
class DrillCoverage:
    """The backups that are kept and known not to be bad: how many of them were restored lately, and those
    that are waited for too long.

    One that was never restored is not restored lately, and not overdue before its time either. `overdue`
    has the ones waited for the longest first.
    """

    kept: int
    restored: int
    overdue: tuple[BackupSummary, ...]

    @property
    def share(self) -> float:
        """The part of them that was restored lately, from 0 to 1; 1 where there is none to restore."""
        return self.restored / self.kept if self.kept else 1.0


@dataclass(frozen=True, slots=True)
class Objectives:
    """RPO and RTO in seconds beside what was promised, and what was restored lately.

    RPO is how much would be lost now, since the newest proven recovery point; RTO how long that backup took
    to restore in its drill. None where nothing is proven, or nothing was measured.
    """

    rpo_seconds: float | None
    rpo_objective: float
    rto_seconds: float | None
    rto_objective: float
    coverage: DrillCoverage

    @property
    def rpo_kept(self) -> bool:
        return _is_met(self.rpo_seconds, self.rpo_objective)

    @property
    def rto_kept(self) -> bool:
        return _is_met(self.rto_seconds, self.rto_objective)


def evaluate_objectives(
    summaries: Sequence[BackupSummary],
    now: datetime,
    *,
    rpo_hours: float,
    rto_minutes: float,
    redrill_days: int,
) -> Objectives:
    """Where the backups that are there stand at `now` (aware)."""
    proven = newest_proven(summaries)
    return Objectives(
        rpo_seconds=(now - proven.recovery_point).total_seconds() if proven else None,
        rpo_objective=rpo_hours * 3600,
        rto_seconds=proven.rto_seconds if proven else None,
        rto_objective=rto_minutes * 60,
        coverage=drill_coverage(summaries, now, redrill_days),
    )


def check_freshness(objectives: Objectives, newest: BackupSummary | None, *, expected: bool) -> Check:
    """Whether the newest proven backup is young enough. `expected`: backups are to come by themselves."""
    objective = timedelta(seconds=objectives.rpo_objective)
    severity = Severity.ERROR if expected else Severity.WARN
    hint = "make backup; make status says what keeps it from coming by itself."
    if newest is None or objectives.rpo_seconds is None:
        return Check("fresh", False, "NOTHING IS PROVEN.", hint, severity, "nothing proven")
    sentence = f"{newest.name.dump}, the newest proven, is of {newest.recovery_point:%Y-%m-%d %H:%M %Z}"
    if objectives.rpo_seconds < 0:
        hint = "See whether the clock is right; then make backup"
        return Check("fresh", False, f"{sentence}: in the future.", hint, severity, "future")
    if not objectives.rpo_kept:
        return Check("fresh", False, f"{sentence}: older than {objective}.", hint, severity, "rpo")
    return Check("fresh", True, f"{sentence}: no older than {objective}.")


def drill_coverage(summaries: Iterable[BackupSummary], now: datetime, redrill_days: int) -> DrillCoverage:
    """Which kept backups were restored within `redrill_days`, and for which that is overdue.

    One that was never restored is waited for since it was made. Bad ones are told as such, and one whose
    bytes are elsewhere cannot be restored here: neither is counted.
    """
    restorable, within = (
        [summary for summary in summaries if summary.local and not summary.bad],
        timedelta(days=redrill_days),
    )
    overdue = [summary for summary in restorable if now - _waiting_since(summary) > within]
    return DrillCoverage(
        kept=len(restorable),
        restored=sum(
            summary.restored_at is not None and now - summary.restored_at <= within for summary in restorable
        ),
        overdue=tuple(sorted(overdue, key=lambda summary: (_waiting_since(summary), summary.name.stem))),
    )


def _waiting_since(summary: BackupSummary) -> datetime:
    return summary.restored_at or summary.finished_at


def _is_met(seconds: float | None, objective: float) -> bool:
    return seconds is not None and seconds <= objective
