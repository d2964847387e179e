"""The durations of a start's phases: what is measured, and what is believed of what was stored."""

from typing import Any

import pytest

from ledgerflow_ops.core.presentation.start_durations import LONGEST, measured, parsed
from ledgerflow_ops.core.progress import UP_STEPS, Step

MARKS = [(Step.STORAGE, 10.0), (Step.DAEMON, 12.0), (Step.METRICS, 12.5), (Step.WEB_PAGE, 13.0)]


def test_a_phase_lasts_until_the_next_and_the_last_until_the_end() -> None:
    assert measured(MARKS, 21.0, UP_STEPS) == {
        Step.STORAGE: 2.0,
        Step.DAEMON: 0.5,
        Step.METRICS: 0.5,
        Step.WEB_PAGE: 8.0,
    }


def test_phases_that_had_nothing_to_start_are_left_out() -> None:
    assert measured(MARKS, 21.0, [Step.WEB_PAGE]) == {Step.WEB_PAGE: 8.0}


def test_a_phase_that_was_suspended_says_nothing_about_the_next() -> None:
    assert measured(MARKS, 13.0 + LONGEST, [Step.WEB_PAGE]) == {Step.WEB_PAGE: LONGEST}
    assert measured(MARKS, 13.1 + LONGEST, [Step.WEB_PAGE]) == {}
    assert measured(MARKS, 13.0, [Step.WEB_PAGE]) == {}


@pytest.mark.parametrize("value", [None, "8", True, [8], 0, -1, LONGEST + 1, float("nan"), float("inf")])
def test_what_cannot_be_ours_is_left_out(value: Any) -> None:
    stored = {str(Step.DAEMON): value, str(Step.STORAGE): 2, str(Step.DUMP): 3.0, "x": 1}
    assert parsed(stored) == {Step.STORAGE: 2.0}
