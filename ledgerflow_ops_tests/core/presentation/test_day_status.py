"""Days as rungs, the word for an environment, and pictures made of characters."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import UNJUDGED
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.presentation import colours, day_status, sparklines
from ledgerflow_ops.core.presentation.day_status import DayStatus, Health
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.core.records import NOON

TODAY = NOON.date()
STATES = (*(rung.word for rung in Rung), "bad", "unrestorable", UNJUDGED, "not local", "no manifest")


def backup(
    days: int = 0, rung: Rung | None = Rung.VALID, *, bad: bool = False, local: bool = True
) -> BackupSummary:
    """A backup taken so many days ago."""
    taken: datetime = NOON - timedelta(days=days)
    verdict = Verdict.BAD if bad else Verdict.GOOD
    proof = records.proof(rung, verdict) if rung else None
    found = backup_summary.summarize(records.entry(taken, proof, local=local))
    assert found is not None
    return found


def states(*present: BackupSummary, past: tuple[BackupSummary, ...] = (), awaited: bool = False) -> list[str]:
    return [one.state for one in day_status.day_statuses(present, past, TODAY, 4, awaited=awaited)]


def test_a_day_without_a_backup_is_missing_once_there_was_one() -> None:
    assert states(backup(2), backup(0)) == ["before", "valid", "missing", "valid"]
    assert states() == ["before"] * 4
    assert states(backup(90)) == ["missing"] * 4


def test_today_is_due_as_long_as_its_backup_may_still_come() -> None:
    assert states(backup(1), awaited=True)[-1] == "due"
    assert states(backup(1), awaited=False)[-1] == "missing"
    assert states(backup(0), awaited=True)[-1] == "valid"
    assert states(awaited=True)[-1] == "due"


def test_the_backup_that_is_proven_furthest_stands_for_its_day() -> None:
    assert states(backup(0, Rung.READABLE), backup(0), backup(0, Rung.HASHED, bad=True))[-1] == "valid"
    assert states(backup(0, Rung.READABLE), backup(0, Rung.HASHED, bad=True))[-1] == "readable"
    assert states(backup(0, Rung.HASHED, bad=True))[-1] == "bad"
    assert states(backup(0, local=False))[-1] == "not local"


def test_what_was_rotated_away_is_not_missing() -> None:
    assert states(backup(0), past=(backup(1), backup(3))) == ["rotated", "missing", "rotated", "valid"]
    assert states(backup(1, Rung.HASHED, bad=True), past=(backup(1),))[-2] == "rotated", (
        "a proven one was there"
    )


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([None, *Rung]), st.booleans())), st.integers(1, 50)
)
def test_there_is_one_day_for_each_and_none_is_better_than_its_backups(
    taken: list[tuple[int, Rung | None, bool]], count: int
) -> None:
    found = [backup(days, rung, bad=bad and rung is not None) for days, rung, bad in taken]
    days = day_status.day_statuses(found, (), TODAY, count, awaited=False)
    assert [one.day for one in days] == [TODAY - timedelta(days=back) for back in range(count - 1, -1, -1)]
    for one in days:
        of_day = {each.state for each in found if each.day == one.day}
        assert one.state in (of_day or {"missing", "before"})
        assert (one.state == "valid") is ("valid" in of_day)


def finding(level: Level) -> Finding:
    return Finding(Environment.DEV, "kind", "", level, "message", Hint("hint"))


@pytest.mark.parametrize(
    ("levels", "has", "scheduled", "tone"),
    [
        ([], False, False, Health.QUIET),
        ([], True, False, Health.GOOD),
        ([], False, True, Health.GOOD),
        ([Level.WARNING], False, False, Health.WARNING),
        ([Level.WARNING, Level.CRITICAL], True, True, Health.CRITICAL),
    ],
)
def test_an_environment_has_one_word(levels: list[Level], has: bool, scheduled: bool, tone: Health) -> None:
    assert day_status.health_of(map(finding, levels), has_backups=has, scheduled=scheduled) is tone


def test_what_is_critical_is_told_first() -> None:
    found = [finding(Level.WARNING), finding(Level.CRITICAL)]
    assert [one.level for one in day_status.worst_first(found)] == [Level.CRITICAL, Level.WARNING]


DAYS = [DayStatus(date(2026, 1, 1), state) for state in (*STATES, "rotated", "missing", "due", "before")]


class TestSigns:
    def test_every_state_has_a_sign_of_one_character_and_a_word(self) -> None:
        for plain in (False, True):
            drawn = sparklines.day_strip(DAYS, plain=plain)
            assert all(len(sign) == 1 for sign, _ in drawn)
            words = {kind: word for _, kind, word in sparklines.strip_legend(DAYS, plain=plain)}
            assert all(kind in words or kind == "before" for _, kind in drawn)
        assert "".join(sign for sign, _ in sparklines.day_strip(DAYS, plain=True)).isascii()

    def test_no_two_kinds_share_a_sign(self) -> None:
        for plain in (False, True):
            pairs = set(sparklines.day_strip(DAYS, plain=plain))
            assert len({sign for sign, _ in pairs}) == len(pairs), "told apart without colours"

    def test_only_what_counts_looks_proven(self) -> None:
        for rung in Rung:
            assert (sparklines.sign_kind(rung.word) == "valid") is (rung is Rung.VALID)
        drawn = [sparklines.sign_kind(rung.word) for rung in Rung]
        assert drawn == ["written", *["readable"] * 3, *["restored"] * 2, "valid"]

    def test_the_legend_has_what_occurs(self) -> None:
        assert [word for _, _, word in sparklines.strip_legend(DAYS[:1])] == ["written only"]
        assert sparklines.strip_legend([]) == []

    def test_every_state_and_day_has_a_colour(self) -> None:
        assert {day.state for day in DAYS} == set(colours.DAYS)
        assert set(STATES) == set(colours.STATES)

    @given(st.lists(st.none() | st.floats(0, 1e15), max_size=40))
    def test_a_line_has_a_sign_for_each_value_and_rises_with_it(self, values: list[float | None]) -> None:
        drawn = sparklines.sparkline(values)
        assert len(drawn) == (len(values) if any(value is not None for value in values) else 0)
        levels = " ▁▂▃▄▅▆▇█"
        both = list(zip(values, drawn, strict=False))
        pairs = sorted((value, levels.index(sign)) for value, sign in both if value is not None)
        assert [level for _, level in pairs] == sorted(level for _, level in pairs)
        assert all((sign == " ") is (value is None) for value, sign in both)

    def test_noise_is_no_mountain_and_growth_is_one(self) -> None:
        assert len(set(sparklines.sparkline([1000, 1002, 999, 1001]))) <= 2
        assert sparklines.sparkline([100, 200, 300]) == "▁▅█"
        assert sparklines.sparkline([100, None, 300], plain=True) == "_ #"
        assert len(set(sparklines.sparkline([0, 0]))) == 1
