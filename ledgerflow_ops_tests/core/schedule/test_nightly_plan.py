"""The decisions of a night, one by one; and of 400 days with suspends, failures and clock jumps."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.core.schedule.nightly_plan import (
    Attempt,
    Night,
    NightDecision,
    RetryPolicy,
    Task,
    is_on_time,
    next_task,
)
from ledgerflow_ops_tests.hypothesis_profiles import examples

DAY = date(2026, 11, 23)
DUE = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
RHYTHM = RetryPolicy()
ALL = frozenset(Task) - {Task.ARCHIVE}
"""Of an environment without archive locations."""
WITH_COPIES = frozenset(Task)
MINUTE = timedelta(minutes=1)


def night(*attempts: Attempt, proven: bool = False, busy: bool = False, today: date = DAY) -> Night:
    return Night(DAY, DUE, today, proven, busy, attempts)


def after(found: Night, minutes: float, offered: frozenset[Task] = ALL) -> NightDecision:
    return next_task(found, DUE + minutes * MINUTE, offered, RHYTHM)


def ended(task: Task, minutes: float, *, well: bool = True, may_pass: bool = False) -> Attempt:
    return Attempt(task, DUE + minutes * MINUTE, well, may_pass)


class TestTheBackup:
    def test_is_left_to_its_schedule_at_first(self) -> None:
        assert after(night(), 5.9).task is None
        assert after(night(), 6).task is Task.BACKUP

    def test_is_not_asked_for_while_it_is_at_work(self) -> None:
        assert after(night(Attempt(Task.BACKUP)), 600).task is None
        assert after(night(busy=True), 600).task is None

    def test_is_not_asked_for_once_a_proven_one_is_there(self) -> None:
        assert after(night(proven=True), 600, frozenset({Task.BACKUP})).task is None
        assert after(night(ended(Task.BACKUP, 9)), 600, frozenset({Task.BACKUP})).task is None

    def test_of_a_day_that_has_passed_is_never_asked_for(self) -> None:
        found = after(night(today=DAY + timedelta(days=1)), 23 * 60)
        assert found.task is None
        assert "has passed" in found.reason

    def test_is_tried_again_after_what_may_pass_and_waits_longer_each_time(self) -> None:
        failed = ended(Task.BACKUP, 10, well=False, may_pass=True)
        assert after(night(failed), 11.9).task is None
        assert after(night(failed), 12).task is Task.BACKUP
        assert after(night(failed), 12).number == 2
        assert after(night(failed, failed, failed), 17).task is None
        assert after(night(failed, failed, failed), 18).number == 4

    def test_is_not_tried_again_after_what_does_not_pass(self) -> None:
        found = after(night(ended(Task.BACKUP, 10, well=False)), 600)
        assert found.task is Task.REDRILL, "the night goes on without it"

    def test_is_not_tried_for_ever(self) -> None:
        failed = [ended(Task.BACKUP, 10, well=False, may_pass=True)] * RHYTHM.attempts
        assert after(night(*failed), 900).task is Task.REDRILL
        assert after(night(*failed[1:]), 900).task is Task.BACKUP

    def test_does_not_wait_for_a_clock_that_was_put_back(self) -> None:
        failed = ended(Task.BACKUP, 300, well=False, may_pass=True)
        assert after(night(failed), 100).task is Task.BACKUP

    def test_whose_schedule_is_stopped_is_not_asked_for(self) -> None:
        found = after(night(), 600, frozenset({Task.ROTATE, Task.REDRILL}))
        assert found.task is None
        assert "stopped" in found.reason


class TestWhatFollows:
    def test_comes_in_its_order_each_once(self) -> None:
        made = ended(Task.BACKUP, 9)
        assert after(night(made), 10).task is Task.ROTATE
        assert after(night(made, Attempt(Task.ROTATE)), 11).task is None
        assert after(night(made, ended(Task.ROTATE, 12)), 13).task is Task.REDRILL
        assert after(night(made, ended(Task.ROTATE, 12, well=False)), 13).task is Task.REDRILL
        done = night(made, ended(Task.ROTATE, 12), ended(Task.REDRILL, 20))
        assert after(done, 21).task is None
        assert "done" in after(done, 21).reason

    def test_goes_on_past_midnight(self) -> None:
        found = night(ended(Task.BACKUP, 9), today=DAY + timedelta(days=1))
        assert after(found, 23 * 60).task is Task.ROTATE

    def test_rotation_needs_a_proven_backup(self) -> None:
        failed = night(ended(Task.BACKUP, 9, well=False))
        assert after(failed, 10, frozenset({Task.BACKUP, Task.ROTATE})).task is None
        assert after(night(proven=True), 10).task is Task.ROTATE

    def test_what_is_not_offered_is_passed_over(self) -> None:
        assert after(night(proven=True), 10, frozenset({Task.BACKUP, Task.REDRILL})).task is Task.REDRILL


class TestCopies:
    """Of a night with archive locations. Nothing waits for them."""

    def test_come_first_once_the_backup_is_proven(self) -> None:
        assert after(night(proven=True), 10, WITH_COPIES).task is Task.ARCHIVE
        unproven = after(night(ended(Task.BACKUP, 9)), 10, WITH_COPIES)
        assert unproven.task is Task.ROTATE

    @pytest.mark.parametrize(
        "attempt",
        [
            Attempt(Task.ARCHIVE),
            ended(Task.ARCHIVE, 12),
            ended(Task.ARCHIVE, 12, well=False),
            ended(Task.ARCHIVE, 12, well=False, may_pass=True),
        ],
    )
    def test_hold_up_neither_rotation_nor_drill_whatever_becomes_of_them(self, attempt: Attempt) -> None:
        found = after(night(attempt, proven=True), 13, WITH_COPIES)
        assert found.task is Task.ROTATE
        rotated = night(attempt, ended(Task.ROTATE, 12), proven=True)
        assert after(rotated, 13, WITH_COPIES).task is Task.REDRILL

    def test_are_tried_again_as_a_backup_is_and_not_for_ever(self) -> None:
        failed = ended(Task.ARCHIVE, 12, well=False, may_pass=True)
        again = after(night(failed, proven=True), 14, WITH_COPIES)
        assert (again.task, again.number) == (Task.ARCHIVE, 2)
        assert after(night(failed, failed, proven=True), 15, WITH_COPIES).task is Task.ROTATE
        assert after(night(failed, failed, proven=True), 16, WITH_COPIES).number == 3
        often = [failed] * RHYTHM.attempts
        assert after(night(*often, proven=True), 900, WITH_COPIES).task is Task.ROTATE

    def test_are_not_made_again_once_they_were(self) -> None:
        failed, made = ended(Task.ARCHIVE, 12, well=False, may_pass=True), ended(Task.ARCHIVE, 15)
        assert after(night(failed, made, proven=True), 600, WITH_COPIES).task is Task.ROTATE


class TestWhoComesFirst:
    @pytest.mark.parametrize(
        ("tick", "now", "first"),
        [(0, 0, True), (0, 2.9, True), (0, 3, False), (-30, -30, True), (-30, 2.9, True), (60, 60, False)],
    )
    def test_the_schedule_does_only_in_its_time(self, tick: float, now: float, first: bool) -> None:
        assert is_on_time(DUE + tick * MINUTE, DUE, DUE + now * MINUTE, RHYTHM) is first

    @given(st.integers(-120, 120), st.integers(-200, 2000))
    def test_never_do_both_ask_at_one_time(self, tick: int, now: int) -> None:
        both = is_on_time(DUE + tick * MINUTE, DUE, DUE + now * MINUTE, RHYTHM)
        assert not (both and after(night(), now).task is Task.BACKUP)


@dataclass
class World:
    """A machine with its clock, Dagster's own cron ticks, and runs that take a while; the real deciders."""

    at: time
    zone: ZoneInfo
    now: datetime
    luck: random.Random
    runs: dict[datetime, list[tuple[Attempt, datetime]]] = field(default_factory=dict)
    asked: list[tuple[date, date, datetime]] = field(default_factory=list)
    """Every backup that was asked for: its day, the day on which that was, the instant."""
    proven: dict[date, datetime] = field(default_factory=dict)
    failing: float = 0.0

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def night_of(self, day: date) -> Night:
        due = schedule.due_at(day, self.at, self.zone)
        attempts = []
        for attempt, until in self.runs.get(due, []):
            attempts.append(attempt if until <= self.now else Attempt(attempt.task))
        made = self.proven.get(day)
        return Night(day, due, self.today, made is not None and due <= made <= self.now, False, attempts)

    def start(self, found: Night, task: Task) -> None:
        until = self.now + self.luck.randint(1, 40) * MINUTE
        well = self.luck.random() >= self.failing
        self.runs.setdefault(found.due, []).append((Attempt(task, until, well, True), until))
        if task is Task.BACKUP:
            self.asked.append((found.day, self.today, self.now))
            if well:
                self.proven[found.day] = max(until, found.due)

    def tick(self, tick: datetime) -> None:
        """The schedule, as defs/automation/schedules.py evaluates it."""
        day = schedule.nearest_due_day(tick, self.at, self.zone)
        found = self.night_of(day)
        in_time = day == self.today and is_on_time(tick, found.due, self.now, RHYTHM)
        if in_time and not (found.proven or found.attempts):
            self.start(found, Task.BACKUP)

    def look(self) -> None:
        """The sensor, as defs/automation/schedules.py evaluates it."""
        found = self.night_of(schedule.last_due(self.now, self.at, self.zone))
        decision = next_task(found, self.now, ALL, RHYTHM)
        if decision.task:
            self.start(found, decision.task)

    def live(self, until: datetime, asleep: list[tuple[datetime, datetime]], step: timedelta) -> None:
        """Go on until then, asleep in between; of the ticks that come in a sleep the last is heard after it.

        The sensor looks every `step`, the schedule is heard at once.
        """
        ticks = schedule_execution_time_iterator(
            self.now.timestamp(), f"{self.at.minute} {self.at.hour} * * *", str(self.zone)
        )
        coming, waiting = next(ticks), list[datetime]()
        while self.now < until:
            self.now = min(self.now + step, max(coming.astimezone(UTC), self.now + MINUTE))
            if any(begin <= self.now < end for begin, end in asleep):
                continue
            while coming.timestamp() <= self.now.timestamp():
                waiting.append(coming.astimezone(UTC))
                coming = next(ticks)
            if waiting:
                self.tick(waiting[-1])
                waiting.clear()
            self.look()


START = datetime(2026, 1, 10, 12, tzinfo=UTC)


def days_between(world: World, start: datetime, end: datetime) -> list[date]:
    return list(schedule.due_days(start, end, world.at, world.zone))


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("Europe/Vienna", "02:30"),
        ("America/New_York", "02:30"),
        ("America/New_York", "01:30"),
        ("America/Havana", "00:30"),
        ("Asia/Beirut", "00:00"),
        ("Australia/Lord_Howe", "02:15"),
        ("America/Nuuk", "23:30"),
        ("UTC", "23:59"),
    ],
)
def test_four_hundred_days_have_one_backup_each_under_dagsters_own_ticks(name: str, at: str) -> None:
    world = World(time.fromisoformat(at), ZoneInfo(name), START, random.Random(1))
    world.proven[schedule.last_due(START, world.at, world.zone)] = START
    world.live(START + timedelta(days=400), [], 20 * MINUTE)
    days = [day for day, _, _ in world.asked]
    expected = days_between(world, START, world.now)
    late = {day for day in expected if world.now - schedule.due_at(day, world.at, world.zone) < 60 * MINUTE}
    assert days == sorted(set(days)), "never twice"
    assert set(expected) - late <= set(days), "never none"
    assert all(day == on for day, on, _ in world.asked), "on its own day"
    for task in (Task.ROTATE, Task.REDRILL):
        counts = [sum(one.task is task for one, _ in runs) for runs in world.runs.values()]
        assert max(counts) == 1
        assert sum(counts) >= len(expected) - 2


@examples(20)
@given(
    st.sampled_from(["Europe/Vienna", "America/Havana", "Australia/Lord_Howe", "UTC"]),
    st.times(),
    st.lists(st.tuples(st.integers(0, 59 * 24 * 60), st.integers(1, 4 * 24 * 60)), max_size=12),
    st.sampled_from([0.0, 0.4]),
    st.integers(0, 9),
)
def test_a_machine_that_sleeps_makes_one_backup_on_each_day_it_was_awake_for(
    name: str, at: time, sleeps: list[tuple[int, int]], failing: float, seed: int
) -> None:
    """Sixty days about a spring's change of clocks, with sleeps anywhere and of any length."""
    start = datetime(2026, 2, 20, 12, tzinfo=UTC)
    asleep = [(start + begin * MINUTE, start + (begin + length) * MINUTE) for begin, length in sleeps]
    world = World(
        at.replace(second=0, microsecond=0), ZoneInfo(name), start, random.Random(seed), failing=failing
    )
    world.live(start + timedelta(days=60), asleep, 15 * MINUTE)
    well = list(world.proven)
    assert len(well) == len(set(well))
    for day, on, instant in world.asked:
        assert day == on, "today's data is never filed under another day"
        assert sum(1 for one, _, _ in world.asked if one == day) <= (RHYTHM.attempts if failing else 1)
        assert not any(begin <= instant < end for begin, end in asleep)
    if failing:
        return
    for day in days_between(world, start, world.now):
        begin = schedule.due_at(day, world.at, world.zone) + 2 * RHYTHM.grace
        midnight = datetime.combine(day + timedelta(days=1), time(0), world.zone).astimezone(UTC)
        looks = range(15, max(15, int((min(midnight, world.now) - begin) / MINUTE)), 15)
        awake = any(not any(a <= begin + n * MINUTE < b + 15 * MINUTE for a, b in asleep) for n in looks)
        assert not awake or day in {one for one, _, _ in world.asked}, day


@pytest.mark.parametrize("jump", [timedelta(hours=-30), timedelta(hours=-2), timedelta(days=3650)])
def test_a_clock_that_jumps_stops_nothing(jump: timedelta) -> None:
    world = World(time(2, 30), ZoneInfo("Europe/Vienna"), START, random.Random(1))
    world.live(START + timedelta(days=5), [], 20 * MINUTE)
    before = len(world.asked)
    world.now += jump
    there = world.now
    world.live(there + timedelta(days=5), [], 20 * MINUTE)
    if jump > timedelta(0):  # and back again
        world.now = START + timedelta(days=10)
        world.live(START + timedelta(days=15), [], 20 * MINUTE)
        assert len(world.asked) >= before + 9
    days = [day for day, _, _ in world.asked]
    assert len(days) == len(set(days))
    assert set(days_between(world, max(there, START + timedelta(days=5)), there + timedelta(days=4))) <= set(
        days
    )


def test_another_time_zone_makes_no_day_twice_and_leaves_none_out() -> None:
    world = World(time(2, 30), ZoneInfo("Europe/Vienna"), START, random.Random(1))
    for name in ("America/Havana", "Pacific/Kiritimati", "UTC"):
        world.live(world.now + timedelta(days=10), [], 20 * MINUTE)
        world = replace(world, zone=ZoneInfo(name))
    world.live(world.now + timedelta(days=10), [], 20 * MINUTE)
    days = [day for day, _, _ in world.asked]
    assert set(days) >= {START.date() + timedelta(days=number) for number in range(1, 39)}
    assert max(days.count(day) for day in days) <= 2, "the day of the change may be due once more"
    assert sum(days.count(day) == 2 for day in set(days)) <= 2
