"""Checks: which are fatal, which are only reported, and how several are merged."""

import json

import pytest

from ledgerflow_ops.core.checks import Check, Severity, failed, first_fatal, merged, passed, warned
from ledgerflow_ops.core.hints import Hint

GOOD = passed("size", "fine")
WARNED = warned("size", "history", "odd", Hint("look"))
FAILED = failed("size", "empty", "nothing", Hint("again"))


def test_only_a_failed_error_is_fatal() -> None:
    assert [check.fatal for check in (GOOD, WARNED, FAILED)] == [False, False, True]


def test_a_failed_check_without_a_hint_is_not_to_be_had() -> None:
    with pytest.raises(ValueError, match="'size' needs a hint"):
        Check(name="size", passed=False, message="odd")


def test_the_first_fatal_verdict_is_found_behind_warnings() -> None:
    other = failed("exists", "missing", "gone", Hint("look"))
    assert first_fatal([GOOD, WARNED, other, FAILED]) is other
    assert first_fatal([GOOD, WARNED]) is None


@pytest.mark.parametrize(
    ("checks", "left"),
    [
        ([GOOD, WARNED, FAILED], FAILED),
        ([FAILED, WARNED, GOOD], FAILED),
        ([WARNED, GOOD], WARNED),
        ([GOOD, WARNED], WARNED),
        ([passed("size", "earlier"), GOOD], GOOD),
    ],
)
def test_the_worst_verdict_of_a_name_is_the_one_left(checks: list[Check], left: Check) -> None:
    assert merged(checks) == [left]


def test_verdicts_keep_the_order_of_their_first_appearance() -> None:
    found = merged([passed("exists", ""), GOOD, failed("exists", "a", "b", Hint("c"))])
    assert [check.name for check in found] == ["exists", "size"]


def test_a_check_is_plain_values_in_json() -> None:
    assert json.loads(json.dumps(WARNED.as_json())) == {
        "name": "size",
        "passed": False,
        "message": "odd",
        "hint": "look",
        "severity": "WARN",
        "cause": "history",
    }
    assert GOOD.severity is Severity.ERROR
