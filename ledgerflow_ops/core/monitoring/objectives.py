"""An environment's figures against its objectives: RPO, RTO, and which backups were restored recently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_proven
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.hints import Hint, make


@dataclass(frozen=True, slots=True)
class DrillCoverage:
    """How many of the kept backups were restored recently, and whose drill is overdue; bad ones do not count.

    A new backup that was never restored is neither: its drill becomes overdue with time. `overdue` is ordered
    by how long the drill has been due, the longest first.
    """

    kept: int
    restored: int
    overdue: tuple[BackupSummary, ...]

    @property
    def share(self) -> float:
        """The share of them that was restored recently, from 0 to 1; 1 where there is none to restore."""
        return self.restored / self.kept if self.kept else 1.0


@dataclass(frozen=True, slots=True)
class Objectives:
    """RPO and RTO in seconds with their objectives, and the coverage by drills.

    RPO is the time since the newest proven recovery point: work of that time would be lost now. RTO is how
    long that backup took to restore in its drill. They are None where nothing is proven or measured.
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
    """The figures of the present backups at `now` (aware)."""
    proven = newest_proven(summaries)
    return Objectives(
        rpo_seconds=(now - proven.recovery_point).total_seconds() if proven else None,
        rpo_objective=rpo_hours * 3600,
        rto_seconds=proven.rto_seconds if proven else None,
        rto_objective=rto_minutes * 60,
        coverage=drill_coverage(summaries, now, redrill_days),
    )


def check_freshness(objectives: Objectives, newest: BackupSummary | None, *, expected: bool) -> Check:
    """Whether the newest proven backup is within the RPO objective. `expected`: backups are scheduled."""
    objective = timedelta(seconds=objectives.rpo_objective)
    severity = Severity.ERROR if expected else Severity.WARN
    hint = Hint(make("backup"), "; ", make("status"), " says why it is not taken by itself.")
    if newest is None or objectives.rpo_seconds is None:
        return Check("fresh", False, "NOTHING IS PROVEN.", hint, severity, "nothing proven")
    sentence = f"{newest.name.dump}, the newest proven, is of {newest.recovery_point:%Y-%m-%d %H:%M %Z}"
    if objectives.rpo_seconds < 0:
        hint = Hint("See whether the clock is right; then ", make("backup"))
        return Check("fresh", False, f"{sentence}: in the future.", hint, severity, "future")
    if not objectives.rpo_kept:
        return Check("fresh", False, f"{sentence}: older than {objective}.", hint, severity, "rpo")
    return Check("fresh", True, f"{sentence}: no older than {objective}.")


def drill_coverage(summaries: Iterable[BackupSummary], now: datetime, redrill_days: int) -> DrillCoverage:
    """Which kept backups were restored within `redrill_days`, and whose drill is overdue.

    The time counts from the last restore, else from when the backup was made. Bad backups are reported as
    such, and one whose bytes are only elsewhere cannot be restored here: neither counts.
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
