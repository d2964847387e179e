"""The rolling drill: every kept backup is drilled in time, and no night takes longer than its budget."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule.drill_rotation import (
    DrillCandidate,
    estimate_seconds,
    plan_tonight,
    rotation_status,
)
from ledgerflow_ops_tests.hypothesis_profiles import examples

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def kept(number: int, ago: float | None, seconds: float | None = 60, size: int = 1_000_000) -> DrillCandidate:
    """Backup `number` (days old), restored `ago` days before now."""
    restored = None if ago is None else NOW - timedelta(days=ago)
    day = date(2026, 11, 23) - timedelta(days=number)
    return DrillCandidate(f"{number:03}.dump", day, size, restored, seconds)


def files(backups: list[DrillCandidate], every_days: int = 30, minutes: int = 60) -> list[str]:
    return [turn.kept.file for turn in plan_tonight(backups, NOW, every_days, minutes)]


class TestTonight:
    def test_has_nothing_to_do_when_all_are_fresh(self) -> None:
        assert files([kept(number, number) for number in range(10)]) == []

    def test_takes_what_falls_due_before_the_next_night(self) -> None:
        assert files([kept(28, 28), kept(29, 29), kept(30, 28.8), kept(5, 31)]) == [
            "005.dump",
            "029.dump",
            "030.dump",
        ]

    def test_takes_never_restored_ones_first_then_the_oldest_proof(self) -> None:
        assert files([kept(1, 40), kept(2, None), kept(3, 50)]) == ["002.dump", "003.dump", "001.dump"]

    def test_stops_at_the_budget_and_goes_on_the_next_night(self) -> None:
        backups = [kept(number, 40 + number, 600) for number in range(8)]
        assert files(backups, minutes=30) == ["007.dump", "006.dump", "005.dump"]

    def test_a_long_one_does_not_keep_shorter_ones_from_their_turn(self) -> None:
        assert files([kept(1, 50, 7200), kept(2, 40)], minutes=60) == ["002.dump"]

    def test_leaves_out_what_cannot_be_restored_here(self) -> None:
        assert files([replace(kept(1, None), trouble="only in the cloud")]) == []

    def test_is_off_without_a_budget(self) -> None:
        assert files([kept(1, None), kept(2, 99)], minutes=0) == []

    def test_begins_earlier_where_too_many_fall_due_at_once(self) -> None:
        """Thirty of half an hour each, all restored on one day: two a night from early on."""
        backups = [kept(number, 18, 1800) for number in range(30)]
        assert len(files(backups)) == 2
        [turn, _] = plan_tonight(backups, NOW, 30, 60)
        assert "before too many are due" in turn.reason
        assert files([kept(number, 18, 1800) for number in range(10)]) == []


class TestEstimates:
    def test_go_by_what_was_measured_else_by_size(self) -> None:
        backups = [kept(1, 1, 100, 1_000_000), kept(2, None, None, 2_000_000), kept(3, None, None, 10)]
        assert estimate_seconds(backups) == {"001.dump": 100, "002.dump": 200, "003.dump": 5.0}

    def test_of_nothing_measured_are_slow(self) -> None:
        assert estimate_seconds([kept(1, None, None, 1_000_000_000)]) == {"001.dump": 100.0}


class TestCoverage:
    def test_says_what_is_covered_overdue_never_and_beyond_reach(self) -> None:
        backups = [
            kept(1, 3),
            kept(2, 31),
            kept(3, None, None),
            kept(4, 2, 7200),
            replace(kept(5, None), trouble="bad"),
        ]
        found = rotation_status(backups, NOW, 30, 60)
        assert found.covered == ("004.dump", "001.dump") or set(found.covered) == {"001.dump", "004.dump"}
        assert found.overdue == ("002.dump",)
        assert found.never == ("003.dump",)
        assert found.unreachable == ("004.dump",)
        assert found.troubled == {"005.dump": "bad"}
        assert (found.whole, found.enough) == (False, False)
        for words in (
            "2 of 5",
            "within 30 days",
            "1 overdue",
            "1 never restored",
            "1 cannot",
            "60 minutes a night",
        ):
            assert words in found.sentence
        assert f"redrill_minutes = {math.ceil(found.needed)} would" in found.sentence
        assert found.as_json()["overdue"] == ["002.dump"]

    def test_is_whole_when_all_were_restored_in_time(self) -> None:
        found = rotation_status([kept(1, 3), kept(2, 30)], NOW, 30, 60)
        assert (found.whole, found.enough) == (True, True)
        assert found.sentence == "2 of 2 backups were restored within 30 days."

    def test_of_nothing_says_so(self) -> None:
        assert rotation_status([], NOW, 30, 60).sentence == "There is no backup to restore."

    def test_without_a_budget_it_is_said_to_be_off(self) -> None:
        assert "is off" in rotation_status([kept(1, 3)], NOW, 30, 0).sentence


@examples(60)
@given(
    st.lists(st.floats(1, 5000), min_size=1, max_size=25),
    st.integers(3, 40),
    st.lists(st.integers(-120, 120), min_size=90, max_size=90),
    st.integers(0, 3),
)
def test_with_the_minutes_it_asks_for_nothing_ever_falls_overdue(
    durations: list[float], every_days: int, jitter: list[int], fresh: int
) -> None:
    """Ninety nights that begin up to two hours early or late, from the worst start: all restored at once."""
    backups = [kept(number, 0, seconds) for number, seconds in enumerate(durations)]
    minutes = math.ceil(rotation_status(backups, NOW, every_days, 1).needed)
    for number, shift in enumerate(jitter, start=1):
        now = NOW + number * DAY + timedelta(minutes=shift)
        turns = plan_tonight(backups, now, every_days, minutes)
        assert sum(turn.seconds for turn in turns) <= minutes * 60
        proofs = [turn.kept.restored_at for turn in turns if turn.kept.restored_at]
        assert proofs == sorted(proofs)
        done = {turn.kept.file for turn in turns}
        backups = [replace(one, restored_at=now) if one.file in done else one for one in backups]
        if fresh and number % 7 == fresh:  # the night's own backup takes the place of the oldest
            backups = [*backups[1:], replace(backups[0], file=f"n{number}.dump", restored_at=now)]
        found = rotation_status(backups, now, every_days, minutes)
        assert found.whole, (number, found.sentence)


@examples(200)
@given(
    st.lists(st.tuples(st.none() | st.floats(0, 90), st.none() | st.floats(1, 9000)), max_size=40),
    st.integers(1, 60),
    st.integers(0, 300),
)
def test_no_night_is_longer_than_its_budget_and_nothing_is_lost_sight_of(
    found: list[tuple[float | None, float | None]], every_days: int, minutes: int
) -> None:
    backups = [kept(number, ago, seconds) for number, (ago, seconds) in enumerate(found)]
    turns = plan_tonight(backups, NOW, every_days, minutes)
    assert sum(turn.seconds for turn in turns) <= minutes * 60
    assert len({turn.kept.file for turn in turns}) == len(turns)
    seen = rotation_status(backups, NOW, every_days, minutes)
    assert sorted([*seen.covered, *seen.overdue, *seen.never]) == sorted(one.file for one in backups)
    left = {one.file for one in backups} - {turn.kept.file for turn in turns} - set(seen.unreachable)
    spare = minutes * 60 - sum(turn.seconds for turn in turns)
    costs = estimate_seconds(backups)
    assert all(costs[file] > spare for file in left & {*seen.overdue, *seen.never}), "there was room for it"
