"""The rolling drill: every kept backup is drilled in time, and no night takes longer than its budget."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule.drill_rotation import (
    DrillCandidate,
    estimate_seconds,
    plan_tonight,
    rotation_status,
)
from ledgerflow_ops_tests.hypothesis_profiles import examples, times

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

    def test_what_is_due_tonight_has_no_other_reason(self) -> None:
        [turn] = plan_tonight([kept(29, 29)], NOW, 30, 60)
        assert turn.reason == "restored 29 days ago"

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
        assert f"redrill_minutes = {found.needed} would" in found.sentence
        assert found.as_json()["overdue"] == ["002.dump"]

    def test_is_whole_when_all_were_restored_in_time(self) -> None:
        found = rotation_status([kept(1, 3), kept(2, 30)], NOW, 30, 60)
        assert (found.whole, found.enough) == (True, True)
        assert found.sentence == "2 of 2 backups were restored within 30 days."

    def test_of_nothing_says_so(self) -> None:
        assert rotation_status([], NOW, 30, 60).sentence == "There is no backup to restore."

    def test_without_a_budget_it_is_said_to_be_off(self) -> None:
        assert "is off" in rotation_status([kept(1, 3)], NOW, 30, 0).sentence


class TestAdvice:
    SEVEN = (3000.0, *[2400.0] * 6)

    def test_of_seven_long_drills_in_ten_days_is_a_night_with_room_for_the_longest(self) -> None:
        """One a night in seven of nine nights: 50 minutes, and a tenth for drills that take longer."""
        backups = [kept(number, 0, seconds) for number, seconds in enumerate(self.SEVEN)]
        assert rotation_status(backups, NOW, 10, 54).needed == 55
        assert not rotation_status(backups, NOW, 10, 54).enough
        assert rotation_status(backups, NOW, 10, 55).enough

    def test_is_for_whole_drills_however_well_their_sum_would_fit(self) -> None:
        """Three of forty minutes in two nights: two of them have to be in one."""
        backups = [kept(number, 0, 2400) for number in range(3)]
        assert rotation_status(backups, NOW, 3, 66).needed == 88

    def test_of_many_short_ones_is_their_share_of_a_night(self) -> None:
        backups = [kept(number, 0, 60) for number in range(290)]
        assert rotation_status(backups, NOW, 30, 60).needed == 11

    def test_of_nothing_is_nothing(self) -> None:
        assert rotation_status([], NOW, 30, 60).needed == 0


def rotated(
    durations: Sequence[float], every_days: int, minutes: int, jitter: Sequence[int], fresh: int = 0
) -> int | None:
    """Nights that begin some minutes early or late, from the worst start: all restored at once. The first
    night that leaves one overdue; None for none. Every `fresh` nights a new backup takes an old one's place.
    """
    backups = [kept(number, 0, seconds) for number, seconds in enumerate(durations)]
    for number, shift in enumerate(jitter, start=1):
        now = NOW + number * DAY + timedelta(minutes=shift)
        turns = plan_tonight(backups, now, every_days, minutes)
        assert sum(turn.seconds for turn in turns) <= minutes * 60
        proofs = [turn.kept.restored_at for turn in turns if turn.kept.restored_at]
        assert proofs == sorted(proofs)
        done = {turn.kept.file for turn in turns}
        backups = [replace(one, restored_at=now) if one.file in done else one for one in backups]
        if fresh and number % fresh == 0:  # the night's own backup takes the place of the oldest
            backups = [*backups[1:], replace(backups[0], file=f"n{number}.dump", restored_at=now)]
        if not rotation_status(backups, now, every_days, minutes).whole:
            return number
    return None


@examples(60)
@given(
    st.lists(st.floats(1, 5000), min_size=1, max_size=25),
    st.integers(2, 40),
    st.lists(st.integers(-120, 120), min_size=90, max_size=90),
    st.sampled_from([0, 7, 2]),
)
@example(list(TestAdvice.SEVEN), 10, [0] * 90, 0)
def test_with_the_minutes_it_asks_for_nothing_ever_falls_overdue(
    durations: list[float], every_days: int, jitter: list[int], fresh: int
) -> None:
    backups = [kept(number, 0, seconds) for number, seconds in enumerate(durations)]
    minutes = rotation_status(backups, NOW, every_days, 1).needed
    assert rotation_status(backups, NOW, every_days, minutes).enough
    assert rotated(durations, every_days, minutes, jitter, fresh) is None


def drawn_durations(chance: random.Random) -> list[float]:
    """Seconds of up to 25 drills: any, nearly equal ones, two sizes, or a few long ones among short ones."""
    usual, count = chance.uniform(10, 4000), chance.randint(1, 25)
    kinds: dict[str, Callable[[], float]] = {
        "any": lambda: chance.uniform(1, 5000),
        "equal": lambda: usual * chance.uniform(0.95, 1.05),
        "two": lambda: usual * chance.choice((1, 1.5)),
        "few long": lambda: min(9000, 1 + chance.expovariate(1 / usual)),
    }
    drawn = kinds[chance.choice(sorted(kinds))]
    return [drawn() for _ in range(count)]


@pytest.mark.parametrize("first", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (50, 100))])
def test_the_advice_is_enough_and_hardly_more_than_that(first: int) -> None:
    """Fifty configurations, slow tests 250 each; with the profile `wild` twenty times as many."""
    count = (50 if first == 0 else 250) * times()
    spare = []
    for seed in range(first * 100, first * 100 + count):
        chance = random.Random(seed)
        durations, every_days = drawn_durations(chance), chance.randint(2, 40)
        backups = [kept(number, 0, seconds) for number, seconds in enumerate(durations)]
        minutes = rotation_status(backups, NOW, every_days, 1).needed
        jitter = [chance.randint(-120, 120) for _ in range(2 * every_days + 10)]
        late = rotated(durations, every_days, minutes, jitter, chance.choice((0, 7, 2)))
        assert late is None, (seed, every_days, minutes, late)
        least = max(1.0, max(durations) / 60, sum(durations) / 60 / max(every_days - 1, 1))
        spare.append(minutes / least)
    assert sum(spare) / count < 1.25
    assert max(spare) < 2.2  # where three drills need two nights, the sum alone is no measure


def test_from_any_state_the_advice_is_enough_after_two_rounds() -> None:
    """The machine was away, or the budget was too small for long."""
    for seed in range(40):
        chance = random.Random(seed)
        durations, every_days = drawn_durations(chance), chance.randint(2, 20)
        backups = [
            kept(number, chance.choice((None, chance.uniform(0, 60))), seconds)
            for number, seconds in enumerate(durations)
        ]
        backups = [replace(one, seconds=seconds) for one, seconds in zip(backups, durations, strict=True)]
        minutes = rotation_status(backups, NOW, every_days, 1).needed
        for number in range(1, 4 * every_days):
            now = NOW + number * DAY
            done = {turn.kept.file for turn in plan_tonight(backups, now, every_days, minutes)}
            backups = [replace(one, restored_at=now) if one.file in done else one for one in backups]
            found = rotation_status(backups, now, every_days, minutes)
            assert found.whole or number <= 2 * every_days, (seed, number, found.sentence)


def test_too_small_a_budget_still_restores_every_backup_in_turn() -> None:
    backups = [kept(number, 0, 1800) for number in range(30)]
    seen = set[str]()
    for number in range(1, 121):
        now = NOW + number * DAY
        done = {turn.kept.file for turn in plan_tonight(backups, now, 10, 30)}
        backups = [replace(one, restored_at=now) if one.file in done else one for one in backups]
        seen |= done if number > 60 else set()
    assert seen == {one.file for one in backups}


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
