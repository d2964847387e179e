"""Which backups are copied to a location, and the reason for each."""

from datetime import UTC, datetime, timedelta

import pytest

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.archive.copy_plan import CopyPlan, plan_copies
from ledgerflow_ops.core.retention.retention_plan import RetentionCandidate, RetentionPolicy

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def backup(ago: int, *, proven: bool = True, bad: bool = False, local: bool = True) -> RetentionCandidate:
    """A backup of so many days ago."""
    point = NOW - timedelta(days=ago)
    return RetentionCandidate(f"b{ago}", point.date(), point, proven, bad, local)


def plan(
    backups: list[RetentionCandidate],
    there: dict[str, CopyState] | None = None,
    policy: RetentionPolicy | None = None,
    kept: list[RetentionCandidate] | None = None,
) -> CopyPlan:
    return plan_copies("usb", backups, there or {}, policy, NOW, NOW.date(), kept or [])


def test_every_proven_backup_that_is_not_there_is_copied_newest_first() -> None:
    made = plan([backup(3), backup(1), backup(2, proven=False), backup(0)], {"b1": CopyState.GOOD})
    assert [decision.name for decision in made.to_copy] == ["b0", "b3"]
    assert {decision.name: decision.reason for decision in made.decisions} == {
        "b0": "it is proven, and not there yet",
        "b1": "a copy is there",
        "b2": "it is not proven",
        "b3": "it is proven, and not there yet",
    }


@pytest.mark.parametrize(
    ("state", "copies", "awaited", "reason"),
    [
        (CopyState.MISSING, True, True, "it is proven, and not there yet"),
        (CopyState.INCOMPLETE, True, True, "its copy was begun and is not complete"),
        (CopyState.GOOD, False, False, "a copy is there"),
        (CopyState.UNPROVEN, False, False, "a copy is there"),
        (CopyState.BAD, False, True, "its copy there is bad: make repair replaces it"),
        (CopyState.FOREIGN, False, True, "another backup has its name there: move that away"),
        (CopyState.UNKNOWN, False, True, "the location cannot be read now"),
    ],
)
def test_what_is_there_decides(state: CopyState, copies: bool, awaited: bool, reason: str) -> None:
    (decision,) = plan([backup(0)], {"b0": state}).decisions
    assert (decision.copies, decision.awaited, decision.reason) == (copies, awaited, reason)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"bad": True}, "it is bad"),
        ({"proven": False}, "it is not proven"),
        ({"local": False}, "its bytes are only in the cloud"),
    ],
)
def test_a_backup_that_must_not_be_copied_is_not_awaited(field: dict[str, bool], reason: str) -> None:
    (decision,) = plan([backup(0, **field)]).decisions
    assert (decision.copies, decision.awaited, decision.reason) == (False, False, reason)


def test_a_backup_that_the_locations_retention_would_remove_again_is_not_copied() -> None:
    short = RetentionPolicy(days=3, minimum=1)
    made = plan([backup(ago) for ago in range(8)], policy=short)
    assert [decision.name for decision in made.to_copy] == ["b0", "b1", "b2", "b3"]
    decision = made.decision("b7")
    assert decision
    assert (decision.reason, decision.awaited) == ("the location's retention would remove it again", False)
    assert len(plan([backup(ago) for ago in range(8)]).to_copy) == 8, "without one it follows the primary"


def test_what_the_location_has_already_counts_for_its_retention() -> None:
    """The only backup here is old, but the newest proven one there is newer: the window is measured by it."""
    short = RetentionPolicy(days=3, minimum=1)
    assert plan([backup(9)], policy=short).to_copy
    assert not plan([backup(9)], policy=short, kept=[backup(1), backup(0)]).to_copy
