"""When a disk will be full, from what was free on the days before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from statistics import median

_DAY = timedelta(days=1)
_WINDOW = timedelta(days=28)
_LEAST_DAYS = 4
_FARTHEST = 3650


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was free at an instant (aware), in bytes and files (inodes).

    A total of 0 means that the file system does not count it.
    """

    at: datetime
    free: int
    total: int
    free_files: int = 0
    total_files: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """The bytes that a disk loses in a day (negative: it gains), from how many days that is known, and when
    it is full.

    `full` is None where it is not filling, or would be full only in ten years.
    """

    per_day: float
    since: date
    days: int
    full: date | None

    def days_left(self, today: date) -> int | None:
        """Whole days from `today` until it is full; None where it will not be."""
        return None if self.full is None else (self.full - today).days


def forecast_full(history: Sequence[Measurement], now: datetime) -> Forecast | None:
    """The forecast from the measurements of the last four weeks; None while there are fewer than four days.

    The trend is the median of the slopes between all pairs of days (Theil 1950, Sen 1968): one big file
    that came and went does not change it. The least that was free on a day counts for that day.
    """
    least: dict[date, Measurement] = {}
    for measurement in history:
        if now - _WINDOW <= measurement.at <= now:
            lowest = least.get(measurement.at.date())
            if lowest is None or measurement.free < lowest.free:
                least[measurement.at.date()] = measurement
    if len(least) < _LEAST_DAYS:
        return None
    newest = max(
        (measurement for measurement in history if measurement.at <= now),
        key=lambda measurement: measurement.at,
    )
    days = sorted(least)
    lost = -median_slope([((day - days[0]).days, least[day].free) for day in days])
    left = newest.free / lost if lost > 0 else None
    full = newest.at.date() + timedelta(days=int(left)) if left is not None and left < _FARTHEST else None
    return Forecast(per_day=lost, since=days[0], days=len(days), full=full)


def median_slope(points: Sequence[tuple[float, float]]) -> float:
    """The median slope between all pairs of points with different x; 0 where there is no such pair."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0]]
    return median(slopes) if slopes else 0.0


def thin_history(history: Sequence[Measurement], now: datetime) -> list[Measurement]:
    """The measurements to keep: all of the last two days, then one a day for 400 days.

    The one with the least free bytes is kept of a day. Those in the future (a clock was ahead) are dropped.
    """
    recent = [measurement for measurement in history if now - 2 * _DAY < measurement.at <= now]
    older: dict[date, Measurement] = {}
    for measurement in history:
        if now - 400 * _DAY < measurement.at <= now - 2 * _DAY:
            lowest = older.get(measurement.at.date())
            if lowest is None or measurement.free < lowest.free:
                older[measurement.at.date()] = measurement
    return sorted([*older.values(), *recent], key=lambda measurement: measurement.at)
