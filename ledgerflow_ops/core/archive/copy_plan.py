"""Which backups are copied to a location: a plan with a reason for each, made before anything is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.retention.retention_plan import RetentionCandidate, RetentionPolicy, plan_retention

PRESENT = "a copy is there"
"""The reason why a backup is not copied again."""


@dataclass(frozen=True, slots=True)
class CopyDecision:
    """Whether one backup is copied to the location, and why. `awaited`: it should be there and is not."""

    name: str
    day: date
    copies: bool
    reason: str
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """The decisions for one location, newest backup first."""

    location: str
    decisions: tuple[CopyDecision, ...] = ()

    @property
    def to_copy(self) -> tuple[CopyDecision, ...]:
        """The backups to copy, the newest first: it is the one that a loss of the disk would cost most."""
        return tuple(decision for decision in self.decisions if decision.copies)

    def decision(self, name: str) -> CopyDecision | None:
        """The decision on the backup of this name; None where it is not in the primary folder."""
        return next((decision for decision in self.decisions if decision.name == name), None)


def plan_copies(
    location: str,
    backups: Iterable[RetentionCandidate],
    there: Mapping[str, CopyState],
    policy: RetentionPolicy | None,
    now: datetime,
    today: date,
    kept: Sequence[RetentionCandidate] = (),
) -> CopyPlan:
    """Which of the primary folder's backups are copied to `location` at `now` (aware, `today` in its zone).

    `there` has the state of each backup's copy; one that it lacks is missing. `policy` is the location's own
    retention, None where the location follows the primary folder. `kept` are the location's own backups: a
    backup that its retention would remove again is not copied.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.recovery_point, backup.name), reverse=True)
    wanted = [backup for backup in newest_first if not _obstacle(backup, there)]
    expired = _expired(wanted, kept, policy, now, today) if policy else frozenset()
    return CopyPlan(location, tuple(_decide(backup, there, expired) for backup in newest_first))


def _expired(
    wanted: Iterable[RetentionCandidate],
    kept: Sequence[RetentionCandidate],
    policy: RetentionPolicy,
    now: datetime,
    today: date,
) -> frozenset[str]:
    """The backups that the location's retention would remove as soon as they were there."""
    names = {backup.name for backup in kept}
    new = [replace(backup, copies=(), in_use="") for backup in wanted if backup.name not in names]
    plan = plan_retention([*kept, *new], policy, now, today)
    return frozenset(decision.name for decision in plan.expired)


def _decide(
    backup: RetentionCandidate, there: Mapping[str, CopyState], expired: frozenset[str]
) -> CopyDecision:
    if obstacle := _obstacle(backup, there):
        awaited = there.get(backup.name) in (CopyState.BAD, CopyState.FOREIGN, CopyState.UNKNOWN)
        return CopyDecision(backup.name, backup.day, False, obstacle, awaited=awaited)
    if backup.name in expired:
        reason = "the location's retention would remove it again"
        return CopyDecision(backup.name, backup.day, False, reason)
    begun = there.get(backup.name) is CopyState.INCOMPLETE
    reason = "its copy was begun and is not complete" if begun else "it is proven, and not there yet"
    return CopyDecision(backup.name, backup.day, True, reason, awaited=True)


def _obstacle(backup: RetentionCandidate, there: Mapping[str, CopyState]) -> str:
    """Why a backup is not copied, whatever retention decides; empty where it may be."""
    state = there.get(backup.name, CopyState.MISSING)
    if state in (CopyState.GOOD, CopyState.UNPROVEN):
        return PRESENT
    if state is CopyState.BAD:
        return "its copy there is bad: make repair replaces it"
    if state is CopyState.FOREIGN:
        return "another backup has its name there: move that away"
    if state is CopyState.UNKNOWN:
        return "the location cannot be read now"
    if backup.bad:
        return "it is bad"
    if not backup.proven:
        return "it is not proven"
    return "" if backup.local else "its bytes are only in the cloud"
