"""When a backup is due: once on every day, in every zone, whatever its clocks do."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule.schedule import (
    days_without_backup,
    due_at,
    due_days,
    exists,
    full_seal_due,
    last_due,
    nearest_due_day,
    next_due,
)
from ledgerflow_ops_tests.hypothesis_profiles import examples

DAY = timedelta(days=1)
HALF_PAST_TWO = time(2, 30)
ZONES = sorted(available_timezones() - {"localtime", "Factory", "posixrules"})
ODD = (
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Europe/Vienna",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
TIMES = st.times().filter(lambda at: at.tzinfo is None)


@cache
def transitions(name: str) -> tuple[date, ...]:
    """The days about which a zone's offset changes."""
    zone, found = ZoneInfo(name), []
    day = datetime(1990, 1, 1, tzinfo=UTC)
    before = day.astimezone(zone).utcoffset()
    while day.year <= 2037:
        day += 7 * DAY
        after = day.astimezone(zone).utcoffset()
        if after != before:
            low, high = day - 7 * DAY, day
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
            found.append(high.astimezone(zone).date())
        before = after
    return tuple(found)


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, date, time]:
    """A zone, a day on which or beside which it turns its clocks, and a time of day."""
    name = draw(st.sampled_from(ODD) | st.sampled_from(ZONES))
    day = draw(st.sampled_from(transitions(name) or (date(2026, 11, 23),)))
    return ZoneInfo(name), day + draw(st.integers(-2, 2)) * DAY, draw(TIMES)


def local(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


class TestTheInstant:
    @pytest.mark.parametrize(
        ("name", "day", "at", "due"),
        [
            ("Europe/Vienna", "2026-11-23", "02:30", "2026-11-23 02:30"),
            ("Europe/Vienna", "2026-03-29", "02:30", "2026-03-29 03:30"),
            ("Europe/Vienna", "2026-10-25", "02:30", "2026-10-25 02:30"),
            ("America/Havana", "2026-03-08", "00:30", "2026-03-08 01:30"),
            ("Asia/Beirut", "2026-03-29", "00:00", "2026-03-29 01:00"),
            ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-04 02:45"),
            ("America/Nuuk", "2024-03-30", "23:30", "2024-03-30 22:30"),
            ("Pacific/Apia", "2011-12-29", "02:30", "2011-12-29 02:30"),
            ("Pacific/Apia", "2011-12-31", "02:30", "2011-12-31 02:30"),
        ],
    )
    def test_is_the_local_time_or_beside_a_gap(self, name: str, day: str, at: str, due: str) -> None:
        zone = ZoneInfo(name)
        found = due_at(date.fromisoformat(day), time.fromisoformat(at), zone)
        assert found.tzinfo is UTC
        assert local(found, zone) == due

    def test_of_an_hour_that_comes_twice_is_the_first(self) -> None:
        vienna = ZoneInfo("Europe/Vienna")
        assert due_at(date(2026, 10, 25), HALF_PAST_TWO, vienna) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    @examples(400)
    @given(moments())
    def test_lies_on_its_own_day_and_after_that_of_the_day_before(
        self, moment: tuple[ZoneInfo, date, time]
    ) -> None:
        zone, day, at = moment
        if exists(day, at, zone):
            due = due_at(day, at, zone)
            assert due.astimezone(zone).date() == day
            if exists(day - DAY, at, zone):
                assert timedelta(0) < due - due_at(day - DAY, at, zone) < 2 * DAY

    def test_the_fold_of_the_time_means_nothing(self) -> None:
        havana, day, midnight = ZoneInfo("America/Havana"), date(1990, 4, 1), time(0, 0)
        assert exists(day, midnight.replace(fold=1), havana)
        assert due_at(day, midnight.replace(fold=1), havana) == due_at(day, midnight, havana)

    def test_a_day_that_a_zone_skipped_is_none(self) -> None:
        skipped = {
            (name, day)
            for name, day in (
                ("Pacific/Apia", date(2011, 12, 30)),
                ("Pacific/Fakaofo", date(2011, 12, 30)),
                ("Pacific/Kwajalein", date(1993, 8, 21)),
                ("Pacific/Kiritimati", date(1994, 12, 31)),
            )
        }
        for name, day in skipped:
            for hour in range(24):
                zone, at = ZoneInfo(name), time(hour, 30)
                around = datetime(day.year, day.month, day.day, tzinfo=UTC)
                assert not exists(day, at, zone)
                days = list(due_days(around - 4 * DAY, around + 4 * DAY, at, zone))
                assert day not in days
                assert {day - DAY, day + DAY} <= set(days)
                assert len(days) in (7, 8)

    @examples(300)
    @given(moments())
    def test_every_other_day_exists(self, moment: tuple[ZoneInfo, date, time]) -> None:
        zone, day, at = moment
        noons = {
            datetime.combine(day, time(hour), zone).astimezone(UTC).astimezone(zone).date()
            for hour in (0, 12, 23)
        }
        assert exists(day, at, zone) == (day in noons)


def walked(start: datetime, days: int, at: time, zone: ZoneInfo, step: timedelta) -> Iterator[date]:
    """The days asked for by whoever looks at the clock every `step` and asks only once for each."""
    asked, now = last_due(start, at, zone), start
    while now < start + days * DAY:
        now += step
        if last_due(now, at, zone) != asked:
            asked = last_due(now, at, zone)
            yield asked


class TestDays:
    @pytest.mark.parametrize("name", ODD)
    @pytest.mark.parametrize("at", [time(0, 0), time(0, 30), HALF_PAST_TWO, time(3, 0), time(23, 30)])
    def test_four_hundred_of_them_come_once_each_in_order(self, name: str, at: time) -> None:
        zone, start = ZoneInfo(name), datetime(2026, 1, 10, 12, tzinfo=UTC)
        asked = list(walked(start, 400, at, zone, timedelta(minutes=47)))
        first = last_due(start, at, zone)
        assert asked[0] == first + DAY
        assert asked == [asked[0] + number * DAY for number in range(len(asked))]
        assert len(asked) in (399, 400, 401)
        assert (
            asked == list(due_days(start, start + 400 * DAY + timedelta(minutes=47), at, zone))[: len(asked)]
        )

    @examples(300)
    @given(moments(), st.integers(-72 * 60, 72 * 60))
    def test_last_and_next_are_neighbours_about_now(
        self, moment: tuple[ZoneInfo, date, time], minutes: int
    ) -> None:
        zone, day, at = moment
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(minutes=minutes)
        last, following = last_due(now, at, zone), next_due(now, at, zone)
        assert due_at(last, at, zone) <= now < following
        assert exists(last, at, zone)
        assert list(due_days(due_at(last, at, zone), following, at, zone)) == [
            following.astimezone(zone).date()
        ], "none lies between"

    @examples(200)
    @given(moments(), st.integers(1, 20), st.integers(1, 60 * 30))
    def test_spans_add_up(self, moment: tuple[ZoneInfo, date, time], days: int, minutes: int) -> None:
        zone, day, at = moment
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - 3 * DAY
        end = start + days * DAY
        middle = min(start + timedelta(minutes=minutes), end)
        whole = list(due_days(start, end, at, zone))
        assert [*due_days(start, middle, at, zone), *due_days(middle, end, at, zone)] == whole
        assert whole == sorted(set(whole))


class TestATick:
    @examples(200)
    @given(moments(), st.integers(-120, 120))
    def test_means_the_day_that_is_due_nearest(
        self, moment: tuple[ZoneInfo, date, time], minutes: int
    ) -> None:
        zone, day, at = moment
        if exists(day, at, zone):
            assert nearest_due_day(due_at(day, at, zone) + timedelta(minutes=minutes), at, zone) == day


def november(numbers: list[int]) -> list[date]:
    return [date(2026, 11, number) for number in numbers]


class TestMissed:
    @pytest.mark.parametrize(
        ("made", "since", "days"),
        [
            ([], 23, []),
            ([], 24, []),
            ([], 20, [20, 21, 22]),
            ([20, 22], 20, [21]),
            ([23], 22, [22]),
        ],
    )
    def test_days_are_past_due_and_empty(self, made: list[int], since: int, days: list[int]) -> None:
        vienna = ZoneInfo("Europe/Vienna")
        for hour in (0, 12, 22):
            now = datetime(2026, 11, 23, hour, tzinfo=UTC)
            found = days_without_backup(now, HALF_PAST_TWO, vienna, november(made), date(2026, 11, since))
            assert found == november(days)

    def test_a_day_that_never_was_is_not_missed(self) -> None:
        now = datetime(2012, 1, 1, 12, tzinfo=UTC)
        found = days_without_backup(now, HALF_PAST_TWO, ZoneInfo("Pacific/Apia"), [], date(2011, 12, 29))
        assert [day.isoformat() for day in found] == ["2011-12-29", "2011-12-31", "2012-01-01"]


class TestTheFullSeal:
    def test_comes_on_its_day_of_the_week(self) -> None:
        sunday = date(2026, 11, 22)
        assert full_seal_due(sunday, "sunday", [sunday - 7 * DAY])
        for later in range(1, 7):
            assert not full_seal_due(sunday + later * DAY, "sunday", [sunday])

    def test_that_was_missed_comes_with_the_next_backup(self) -> None:
        sunday = date(2026, 11, 22)
        assert full_seal_due(sunday + 2 * DAY, "sunday", [sunday - 7 * DAY])
        assert not full_seal_due(sunday + 3 * DAY, "sunday", [sunday + 2 * DAY])
        assert full_seal_due(sunday + 7 * DAY, "sunday", [sunday + 2 * DAY])

    @given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from(["monday", "wednesday", "sunday"]))
    def test_is_taken_once_in_each_week(self, start: date, weekday: str) -> None:
        full = list[date]()
        for number in range(70):
            if full_seal_due(start + number * DAY, weekday, full):
                full.append(start + number * DAY)
        assert all(f"{day:%A}".lower() == weekday for day in full[1:])
        assert len(full) in (10, 11)
