"""The check of a dump's size: it detects real changes and ignores small ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.sizes import check_size, format_size, tolerance

STEADY = [170_000 + step for step in (0, 90, -40, 10, 0, 55, -20)]


def judged(
    size: int,
    history: list[int],
    floor: int = 10_000,
    rows: int | None = 100,
    committed: int | None = None,
) -> Check:
    return check_size(size, committed=committed, floor=floor, rows=rows, history=history)


@pytest.mark.parametrize("history", [[20_000] * 14, [20_000, 20_010, 19_990, 20_005, 20_000]])
def test_twenty_kilobytes_becoming_twenty_two_are_no_alarm(history: list[int]) -> None:
    assert judged(22_000, history).passed
    assert judged(18_000, history).passed


@pytest.mark.parametrize(("size", "word"), [(400_000, "larger"), (60_000, "smaller")])
def test_an_unusual_size_is_a_warning_in_both_directions(size: int, word: str) -> None:
    found = judged(size, STEADY)
    assert (found.passed, found.severity, found.cause) == (False, Severity.WARN, "history")
    assert f"much {word}" in found.message
    assert not found.fatal


def test_a_few_wild_days_do_not_hide_a_collapse() -> None:
    assert not judged(1_000_000, [*[9_000_000] * 10, 90_000_000, 10]).passed


def test_a_history_that_varies_allows_variation() -> None:
    varied = [1_000_000, 1_300_000, 900_000, 1_500_000, 1_100_000, 700_000]
    assert judged(1_800_000, varied).passed
    assert not judged(1_800_000, [1_000_000] * 6).passed


@pytest.mark.parametrize("rows", [100, None])
def test_below_the_floor_is_a_warning_for_a_database_that_may_hold_rows(rows: int | None) -> None:
    """What is whole is never bad: a database may be as small as it likes."""
    found = judged(9_999, [], rows=rows)
    assert (found.passed, found.severity, found.fatal) == (False, Severity.WARN, False)
    assert found.cause == "floor"
    assert found.message == "9,999 bytes are below size_floor, which is 10,000."
    assert str(found.hint).startswith("First check the source")


@pytest.mark.parametrize(("size", "word"), [(499, "truncated"), (501, "longer than it was")])
@pytest.mark.parametrize("rows", [0, 100])
def test_another_size_than_was_committed_is_an_error(size: int, word: str, rows: int) -> None:
    found = judged(size, [], rows=rows, committed=500)
    assert found.fatal
    assert found.cause == "truncated"
    assert found.message == f"The file is {word}: {size} bytes; 500 were committed."
    assert "take another backup" in str(found.hint)
    assert judged(500, [], floor=0, committed=500).passed


def test_the_floor_does_not_hold_for_a_database_without_rows() -> None:
    assert judged(9_999, [], rows=0).passed
    assert judged(10_000, []).passed


@pytest.mark.parametrize("rows", [0, 100, None])
def test_an_empty_file_is_an_error_whatever_it_should_hold(rows: int | None) -> None:
    found = judged(0, [], floor=0, rows=rows)
    assert found.fatal
    assert found.cause == "empty"


def test_a_few_days_are_too_few_to_compare_with() -> None:
    assert "too few" in judged(9_000_000, [20_000] * 3).message
    assert judged(9_000_000, [20_000] * 3).passed
    assert not judged(9_000_000, [20_000] * 4).passed


@given(st.lists(st.integers(1, 10**12), min_size=4, max_size=14))
def test_no_tolerance_is_below_its_absolute_minimum(history: list[int]) -> None:
    assert tolerance(history) >= 65_536


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (170_400, "170.4 KB"),
        (2.5e9, "2.5 GB"),
        (3e15, "3000.0 TB"),
    ],
)
def test_sizes_are_reported_in_units_of_a_thousand(size: float, text: str) -> None:
    assert format_size(size) == text
