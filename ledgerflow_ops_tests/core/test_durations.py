"""Lengths of time in words."""

from datetime import timedelta

import pytest

from ledgerflow_ops.core.durations import format_duration, format_seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (-61, "1 min 1 s"),
        (-3600, "1 h"),
        (93_900, "1 d 2 h"),
        (3_661, "1 h 1 min"),
        (86_461, "1 d"),
        (32_403, "9 h"),
        (259_200, "3 d"),
    ],
)
def test_a_length_of_time_is_reported_in_two_units(seconds: float, said: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (1.25, "1.2 s"), (59.94, "59.9 s"), (60, "1 min"), (-61, "1 min 1 s")],
)
def test_a_measured_time_is_told_to_a_tenth_of_a_second_below_a_minute(seconds: float, said: str) -> None:
    assert format_seconds(seconds) == said
