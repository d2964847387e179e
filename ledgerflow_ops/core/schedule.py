"""When an environment's daily backup is due. Every day has exactly one such instant, also where the clock
is put forward or back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def due_at(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the backup of `day` is due, at the local time `at` in `zone`.

    A time that the clock skips is due as long after the gap began as it would have been (PEP 495, fold=0);
    one that comes twice is due the first time.
    """
    return datetime.combine(day, at, zone).astimezone(UTC)


def due_days(after: datetime, until: datetime, at: time, zone: ZoneInfo) -> Iterator[date]:
    """The days whose backup became due after `after`, and not after `until` (both aware), oldest first."""
    day = after.astimezone(zone).date() - _DAY
    last = until.astimezone(zone).date() + _DAY
    while day <= last:
        if after < due_at(day, at, zone) <= until:
            yield day
        day += _DAY


def last_due(now: datetime, at: time, zone: ZoneInfo) -> date:
    """The day whose backup became due last, at `now` (aware)."""
    today = now.astimezone(zone).date()
    return today if due_at(today, at, zone) <= now else today - _DAY


def next_due(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The next instant (UTC) at which a backup is due, after `now` (aware)."""
    day = last_due(now, at, zone)
    while (found := due_at(day, at, zone)) <= now:
        day += _DAY
    return found
