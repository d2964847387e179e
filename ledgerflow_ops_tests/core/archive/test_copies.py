"""The 3-2-1 rule: what it counts, what it lacks, and whose fault that is."""

import pytest

from ledgerflow_ops.core.archive.copies import (
    RULE,
    SETTINGS,
    CopyState,
    Place,
    PlacedCopy,
    judge_copies,
    missing_of_rule,
)
from ledgerflow_ops.core.archive.repair_plan import plan_repairs
from ledgerflow_ops.core.checks import Severity

PRIMARY = Place("primary", "disk 1")
SAME_DISK = Place("beside", "disk 1")
USB = Place("usb", "disk 2")
CLOUD = Place("cloud", "s3 aws", elsewhere=True)


def copies(*places: Place, **states: CopyState) -> list[PlacedCopy]:
    return [PlacedCopy(place, states.get(place.name, CopyState.GOOD), "") for place in places]


def test_three_copies_on_two_kinds_with_one_elsewhere_meet_the_rule() -> None:
    check = judge_copies("a.dump", copies(PRIMARY, USB, CLOUD))
    assert check.passed
    assert check.name == RULE
    assert check.message == "a.dump: 3 good copies (primary, usb, cloud), 3 kinds of storage, 1 elsewhere."


@pytest.mark.parametrize(
    ("places", "lacks"),
    [
        ([PRIMARY], ["1 of 3 copies", "1 of 2 kinds of storage", "none elsewhere"]),
        ([PRIMARY, SAME_DISK], ["2 of 3 copies", "1 of 2 kinds of storage", "none elsewhere"]),
        ([PRIMARY, SAME_DISK, USB], ["none elsewhere"]),
        ([PRIMARY, CLOUD], ["2 of 3 copies"]),
        ([PRIMARY, SAME_DISK, CLOUD], []),
        ([], ["0 of 3 copies", "0 of 2 kinds of storage", "none elsewhere"]),
    ],
)
def test_each_part_of_the_rule_is_named(places: list[Place], lacks: list[str]) -> None:
    assert missing_of_rule(places) == lacks


def test_settings_that_cannot_meet_the_rule_are_the_cause() -> None:
    check = judge_copies("a.dump", copies(PRIMARY, USB))
    assert not check.passed
    assert check.severity is Severity.WARN
    assert check.cause == SETTINGS
    assert "Add a location" in check.hint
    assert "a.dump does not meet the 3-2-1 rule: 2 of 3 copies, none elsewhere." in check.message


@pytest.mark.parametrize("state", [state for state in CopyState if state is not CopyState.GOOD])
def test_a_copy_counts_only_if_it_is_good(state: CopyState) -> None:
    check = judge_copies("a.dump", copies(PRIMARY, USB, CLOUD, cloud=state))
    assert not check.passed
    assert check.cause == "copies"
    assert f"Not counted: cloud is {state}." in check.message
    assert "make archive makes the missing copies; make repair replaces bad ones." in check.hint


def test_a_bad_copy_is_repaired_from_each_good_one_in_order_and_from_no_other() -> None:
    bad = copies(PRIMARY, USB, CLOUD, primary=CopyState.BAD)
    alone = copies(
        PRIMARY, USB, CLOUD, primary=CopyState.UNPROVEN, usb=CopyState.BAD, cloud=CopyState.UNKNOWN
    )
    missing = copies(PRIMARY, USB, usb=CopyState.MISSING)
    first, second = plan_repairs([("a.dump", bad), ("b.dump", alone), ("c.dump", missing)])
    assert (first.file, first.target, first.sources) == ("a.dump", "primary", ("usb", "cloud"))
    assert first.sentence.startswith("a.dump in primary is bad (")
    assert first.sentence.endswith("): from usb.")
    assert not second.possible
    assert second.sentence.endswith(", and no good copy of it is known.")
