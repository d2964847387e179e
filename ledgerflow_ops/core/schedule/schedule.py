"""When an environment's daily backup is due. Every day has exactly one such instant, also when the clock
changes."""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def due_at(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the backup of `day` is due, at the local time `at` in `zone`.

    A local time inside a gap of the clock is moved behind the gap (PEP 495, fold=0). Where that would be
    another day, it is moved before the gap (fold=1), since a backup belongs to the day on which it is taken.
    A time that comes twice means the first one. For a day that does not exist in the zone (see `exists`), the
    instant of the neighbouring day is returned. The fold of `at` itself is ignored.
    """
    due = datetime.combine(day, at, zone).replace(fold=0).astimezone(UTC)
    if due.astimezone(zone).date() == day:
        return due
    earlier = datetime.combine(day, at, zone).replace(fold=1).astimezone(UTC)
    return earlier if earlier.astimezone(zone).date() == day else due


def exists(day: date, at: time, zone: ZoneInfo) -> bool:
    """Whether the zone has this day: zones that moved across the date line skipped one (Samoa 2011-12-30)."""
    return due_at(day, at, zone).astimezone(zone).date() == day


def due_days(after: datetime, until: datetime, at: time, zone: ZoneInfo) -> Iterator[date]:
    """The days whose backup became due after `after`, and not after `until` (both aware), oldest first."""
    day = after.astimezone(zone).date() - _DAY
    last = until.astimezone(zone).date() + _DAY
    while day <= last:
        if after < due_at(day, at, zone) <= until and exists(day, at, zone):
            yield day
        day += _DAY


def last_due(now: datetime, at: time, zone: ZoneInfo) -> date:
    """The day whose backup became due last, at `now` (aware)."""
    day = now.astimezone(zone).date() + _DAY  # set back over midnight, the clock repeats the day before
    while due_at(day, at, zone) > now:  # a skipped day shares its instant with the day after it
        day -= _DAY
    return day


def next_due(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The next instant (UTC) at which a backup is due, after `now` (aware)."""
    day = last_due(now, at, zone) + _DAY
    while not exists(day, at, zone):
        day += _DAY
    return due_at(day, at, zone)


def nearest_due_day(tick: datetime, at: time, zone: ZoneInfo) -> date:
    """The day whose due instant is nearest to a schedule's tick, which may handle gaps of the clock
    differently.
    """
    day = tick.astimezone(zone).date()
    around = [near for near in (day - _DAY, day, day + _DAY) if exists(near, at, zone)]
    return min(around, key=lambda near: abs(due_at(near, at, zone) - tick))


def days_without_backup(
    now: datetime, at: time, zone: ZoneInfo, made: Collection[date], since: date
) -> list[date]:
    """The days from `since` to yesterday that were due and have no backup, oldest first.

    Today is never among them: its backup can still be taken.
    """
    today = now.astimezone(zone).date()
    span = (since + timedelta(days=number) for number in range((today - since).days))
    return [day for day in span if day not in made and exists(day, at, zone)]


_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def full_seal_due(day: date, weekday: str, full: Collection[date]) -> bool:
    """Whether the backup of `day` gets a full seal (every byte is compared with the source).

    That is once a week, on `weekday` (in English, lower case) or with the first backup after it. `full` are
    the days of earlier backups with a full seal.
    """
    last = day - timedelta(days=(day.weekday() - _WEEK.index(weekday)) % len(_WEEK))
    return not any(last <= sealed < day for sealed in full)
