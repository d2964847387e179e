"""How many normal nights' worth of backups a rotation would remove.

A normal night removes what one day has moved out of the window. After missed days the first night removes
as many days' worth at once, and still counts as one night. What earlier nights would have removed by the
present settings, and did not, counts in full: settings were changed, pins removed, old backups copied in.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil

_STRETCHES = 30
"""How many stretches of missed days are considered, the latest first: each costs two plans."""


@dataclass(frozen=True, slots=True)
class Night:
    """A day with a proven backup, and the recovery point (aware) of its last one."""

    day: date
    point: datetime


def nights_of(proven: Sequence[tuple[date, datetime]]) -> list[Night]:
    """The nights of these days and recovery points, the oldest day first."""
    last = dict(sorted(proven))  # of a day's, the last one stays
    return [Night(day, point) for day, point in last.items()]


def count_nightly_removals(
    nights: Sequence[Night], gone: Set[str], expired_on: Callable[[Night], Set[str]]
) -> int:
    """The weighted number of backups in `gone`: those of a night after missed days are divided by the days.

    `gone` are the names that expire on the last of `nights`. `expired_on` computes which backups a rotation
    of an earlier night would have removed by the present settings.
    """
    counted, until = 0, gone
    for place in _after_missed_days(nights):
        after = until if place == len(nights) - 1 else expired_on(nights[place]) & gone
        before = expired_on(nights[place - 1]) & gone
        counted += len(until - after) + ceil(len(after - before) / _days_since(nights, place))
        until = before
    return counted + len(until)


def _after_missed_days(nights: Sequence[Night]) -> list[int]:
    """The indexes of nights after missed days, the latest first."""
    return [place for place in range(len(nights) - 1, 0, -1) if _days_since(nights, place) > 1][:_STRETCHES]


def _days_since(nights: Sequence[Night], place: int) -> int:
    """The days from the night before to this one."""
    return (nights[place].day - nights[place - 1].day).days
