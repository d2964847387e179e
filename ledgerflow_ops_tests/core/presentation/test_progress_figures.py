"""The figures of a progress bar: bytes, rate, remaining time."""

import pytest

from ledgerflow_ops.core.presentation.progress_figures import (
    Work,
    figures,
    format_clock,
    pause_before_line,
    plain_line,
)

HALF = Work("dump", 30_000_000, 60_000_000)


@pytest.mark.parametrize(
    ("work", "rate", "elapsed", "text"),
    [
        (HALF, 4_000_000.0, 7.5, "30.0 MB of about 60.0 MB, 4.0 MB/s, 0:08 left"),
        (HALF, None, 7.5, "30.0 MB of about 60.0 MB, 0:08"),
        (Work("dump", 30_000_000), 4_000_000.0, 7.5, "30.0 MB, 4.0 MB/s, 0:08"),
        (Work("dump", 61_000_000, 60_000_000), 1e6, 61.0, "61.0 MB, 1.0 MB/s, 1:01"),
        (Work("compare"), None, 3725.0, "1:02:05"),
        (Work("start", expected=9.0), None, 2.0, "about 0:07 left"),
        (Work("start", expected=9.0), None, 8.0, "about 0:01 left"),
        (Work("start", expected=9.0), None, 8.5, "0:08"),
        (Work("start", expected=9.0), None, 61.0, "1:01"),
        (Work("", 1200, 4000, "backups read"), 400.0, 3.0, "1,200 of 4,000 backups read, 0:07 left"),
    ],
)
def test_they_say_what_is_known(work: Work, rate: float | None, elapsed: float, text: str) -> None:
    """An estimate that was too low is dropped: nothing is ever 101 % done."""
    assert figures(work, rate, elapsed) == text


def test_a_line_has_the_step_and_the_share() -> None:
    assert plain_line(HALF, 4e6, 7.5) == "dump: 50 %, 30.0 MB of about 60.0 MB, 4.0 MB/s, 0:08 left"
    assert plain_line(Work("seal"), None, 12.0) == "seal: 0:12"
    assert plain_line(Work("", 1, 4, "backups read"), None, 12.0) == "25 %, 1 of 4 backups read, 0:12"


def test_a_clock_has_hours_where_there_are_any() -> None:
    assert [format_clock(seconds) for seconds in (0.4, 59.6, 3599.0, 3600.0)] == [
        "0:00",
        "1:00",
        "59:59",
        "1:00:00",
    ]


def test_lines_become_rarer() -> None:
    """A day long, that is about a hundred lines."""
    lines, elapsed = 0, 0.0
    while elapsed < 86_400:
        elapsed += pause_before_line(elapsed)
        lines += 1
    assert pause_before_line(0) == 10
    assert 60 < lines < 120
