"""Which days a backfill includes, and the message for a day without any backup."""

from datetime import date, timedelta

import pytest

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.schedule import backfill_plan
from ledgerflow_ops.core.schedule.backfill_plan import (
    DayPlan,
    DayVerdict,
    UnavailableSource,
    refusal_text,
    requested_days,
)

TODAY = date(2026, 11, 23)
WINDOW = [TODAY - timedelta(days=ago) for ago in range(7, -1, -1)]


def of(*ago: int) -> list[date]:
    return [TODAY - timedelta(days=number) for number in ago]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("", "", ""), of(7, 6, 5, 4, 3, 2, 1)),
        (("2026-11-20", "", ""), of(3)),
        (("2026-11-23", "", ""), of(0)),
        (("", "2026-11-21", ""), of(2, 1)),
        (("", "", "2026-11-17"), of(7, 6)),
        (("", "2026-11-21", "2026-11-23"), of(2, 1, 0)),
        (("", "2026-11-23", ""), of(0)),
    ],
)
def test_days_are_those_asked_for_else_the_window_up_to_yesterday(
    asked: tuple[str, str, str], found: list[date]
) -> None:
    assert requested_days(*asked, WINDOW) == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("2026-11-20", "2026-11-19", ""), "both given"),
        (("", "2026-11-21", "2026-11-20"), "is after"),
        (("20261120", "", ""), "DAY='20261120' is not a day"),
        (("yesterday", "", ""), "is not a day"),
        (("", "2026-02-30", ""), "FROM='2026-02-30' is not a day"),
        (("2026-11-15", "", ""), "outside the retention window"),
        (("", "", "2026-11-15"), "2026-11-15 is outside the retention window"),
        (("", "2026-11-15", "2026-11-14"), "2026-11-15 is outside the retention window"),
        (("", "", "2026-11-24"), "2026-11-24 has not come yet: today is 2026-11-23"),
        (("", "2026-11-24", ""), "2026-11-24 has not come yet"),
        (("2026-11-24", "", ""), "2026-11-24 has not come yet"),
    ],
)
def test_what_is_no_span_of_days_is_reported(asked: tuple[str, str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as found:
        requested_days(*asked, WINDOW)
    assert found.value.hint


def test_a_refusal_names_what_is_missing_way_by_way() -> None:
    lacks = [
        UnavailableSource("No copy.", Hint("Keep copies.")),
        UnavailableSource("", Hint("Keep copies.")),
        UnavailableSource("No WAL.", Hint("Keep WAL.")),
    ]
    message, hint = refusal_text("prod", TODAY - timedelta(days=1), TODAY, lacks)
    assert "no backup of prod for 2026-11-22" in message
    assert message.endswith("No copy. No WAL.")
    assert str(hint) == "Keep copies. Keep WAL."
    message, hint = refusal_text("prod", TODAY + timedelta(days=1), TODAY, lacks)
    assert "has not passed" in message
    assert str(hint) == "A backup is taken on its own day."


REFUSED = DayVerdict.REFUSE


@pytest.mark.parametrize(
    ("verdicts", "first", "kept", "sentence"),
    [
        ([REFUSED, REFUSED, REFUSED], None, 0, "none was taken yet"),
        ([REFUSED, REFUSED, REFUSED], date(2026, 11, 22), 1, "the first one known is of 2026-11-22"),
        ([REFUSED, DayVerdict.ADOPT, REFUSED], None, 2, "the first one known is of 2026-11-21"),
        ([REFUSED, REFUSED, DayVerdict.KEPT], date(2026, 11, 21), 2, "of 2026-11-21"),
        ([REFUSED, REFUSED, REFUSED], date(2026, 11, 1), 3, ""),
    ],
)
def test_days_before_any_backup_was_due_are_left_out(
    verdicts: list[DayVerdict], first: date | None, kept: int, sentence: str
) -> None:
    plans = [DayPlan(date(2026, 11, 20 + place), verdict, "why") for place, verdict in enumerate(verdicts)]
    left, said = backfill_plan.without_days_never_due("dev", plans, first, date(2026, 11, 23))
    assert left == plans[len(plans) - kept :]
    assert sentence in said
    assert bool(said) == (kept < len(plans))
