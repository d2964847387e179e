"""An environment's status: the state of the backups of each day, and whether somebody has to act."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import UNJUDGED, UNRESTORABLE
from ledgerflow_ops.core.catalog.rungs import Rung

_DAY = timedelta(days=1)

MISSING = "missing"
"""A day without a backup, after the day of the first backup."""
DUE = "due"
"""Today, while its backup is not late yet."""
BEFORE = "before"
"""A day before that of the first backup."""
ROTATED = "rotated"
"""A day whose backups have expired and were removed."""
_WORST = "bad"
_ORDER = (*(rung.word for rung in reversed(Rung)), "not local", ROTATED, UNJUDGED, UNRESTORABLE, _WORST)
"""The states in the order in which they represent a day: the state that is proven furthest comes first."""


class Health(StrEnum):
    """An environment's status in one word."""

    QUIET = "quiet"
    """No backup is scheduled, and there is none."""
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class DayStatus:
    """One day of an environment: the state of its best proven backup, or why there is none."""

    day: date
    state: str


def day_statuses(
    present: Iterable[BackupSummary], past: Iterable[BackupSummary], today: date, count: int, *, awaited: bool
) -> list[DayStatus]:
    """The last `count` days up to `today`, the oldest first, each with the best proven state of its backups.

    `past` are expired backups. `awaited` says that today's backup is not late yet.
    """
    states: dict[date, list[str]] = {}
    for summary in present:
        states.setdefault(summary.day, []).append(summary.state)
    for summary in past:
        states.setdefault(summary.day, []).append(ROTATED)
    first = min(states, default=None)
    wanted = [today - _DAY * back for back in reversed(range(count))]
    return [DayStatus(day, _day_state(day, states.get(day, ()), first, today, awaited)) for day in wanted]


def _day_state(day: date, states: Sequence[str], first: date | None, today: date, awaited: bool) -> str:
    if states:
        return min(states, key=_rank)
    if day == today and awaited:
        return DUE
    return BEFORE if first is None or day < first else MISSING


def _rank(state: str) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)


def health_of(findings: Iterable[Finding], *, has_backups: bool, scheduled: bool) -> Health:
    """The status of an environment with these findings."""
    levels = {finding.level for finding in findings}
    if Level.CRITICAL in levels:
        return Health.CRITICAL
    if Level.WARNING in levels:
        return Health.WARNING
    return Health.GOOD if has_backups or scheduled else Health.QUIET


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Critical ones first, then by environment, kind and subject."""
    return sorted(findings, key=lambda finding: (finding.level is not Level.CRITICAL, finding.key))
