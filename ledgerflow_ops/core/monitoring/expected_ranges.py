"""The expected range of a figure on a day, computed from earlier days: trend, weekdays, ends of months.

The statistics are robust (medians and median absolute deviations): one wrong day does not make the next
wrong day look right, and steady growth is expected. The range of a day is computed from earlier days only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from math import exp, log, log1p, nan

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary

LEAST_DAYS = 8
"""The number of days with a figure that a range needs."""
HISTORY_DAYS = 200
"""Older days are ignored."""

_LEVEL = 7
_TREND = 28
_SEASON = 8
_LEAST_SEASON = 3
_SPREAD = 42
_MONTHS = 4
_TURN_BEFORE, _TURN_AFTER = 2, 3
_ROOM = 1.5
"""How much farther from the middle than at earlier ends of months a figure may lie at the end of a month."""
_MAD_TO_SIGMA = 1.4826
"""Scales the median absolute deviation to a normal distribution's sigma (Rousseeuw & Croux, 1993)."""

NUMBERS = ("size", "database_size", "duration", "throughput", "rows")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a figure may lie from the expected value.

    It is the largest of: `deviations` robust standard deviations, the share `below` or `above` of the
    expected value, and `least` in the figure's own unit. `ratio`: the logarithm of the figure is compared,
    because times and rates vary by factors.
    """

    deviations: float
    below: float
    above: float
    least: float
    ratio: bool = False


WIDTHS = {
    "size": Tolerance(deviations=6, below=0.25, above=0.35, least=65_536),
    "database_size": Tolerance(deviations=6, below=0.25, above=0.35, least=8_000_000),
    "duration": Tolerance(deviations=4, below=0.6, above=1.5, least=30, ratio=True),
    "throughput": Tolerance(deviations=5, below=0.6, above=4.0, least=1, ratio=True),
    "rows": Tolerance(deviations=6, below=0.3, above=0.9, least=100),
}


@dataclass(frozen=True, slots=True)
class ExpectedRange:
    """The expected value of a figure on a day and its limits, in the figure's own unit.

    They are computed from `days` backups, the first of `since`, the last of `until`.
    """

    day: date
    low: float
    expected: float
    high: float
    since: date
    until: date
    days: int

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def daily_backups(summaries: Sequence[BackupSummary]) -> list[BackupSummary]:
    """The newest backup of each day, the oldest day first.

    Bad backups are left out, and so are those of the sample where the newest is of a real database, and the
    other way round.
    """
    if not summaries:
        return []
    ordered = sorted(summaries, key=lambda summary: (summary.recovery_point, summary.name.stem))
    newest = ordered[-1]
    same = [
        summary
        for summary in ordered
        if summary is newest or (summary.sample == newest.sample and not summary.bad)
    ]
    by_day = {summary.day: summary for summary in same if (newest.day - summary.day).days <= HISTORY_DAYS}
    return [by_day[day] for day in sorted(by_day)]


def figure_value(summary: BackupSummary, figure: str) -> float:
    """A figure of NUMBERS: bytes, seconds, bytes a second, or rows; NaN for the throughput of a backup of 0
    s.
    """
    if figure == "size":
        return float(summary.size)
    if figure == "database_size":
        return float(summary.database_size)
    if figure == "duration":
        return float(summary.duration_seconds)
    if figure == "throughput":
        seconds = summary.duration_seconds
        return summary.database_size / seconds if seconds > 0 else nan
    return float(summary.rows)


Series = Sequence[float]
"""A value for each calendar day, one after the other; NaN where there is none."""
Limits = tuple[float, float, float]
"""Low, expected and high of a day; NaN where they are unknown."""


def compute_ranges(known: Mapping[date, float], width: Tolerance, seals: Mapping[date, str]) -> list[Limits]:
    """Low, expected and high for each calendar day from the first to the last in `known`, a value for each
    day that has one (NaN: none). Each is made of the days before it.

    The level is the median of the last seven days, each carried forward by the trend (the median of what
    a week changed, over four weeks); on it comes what the same weekday differed by, in the median of eight.
    Backups with a seal other than the usual are like weekdays of their own: a seal of every byte takes long.
    How far from that a value may lie is measured in median absolute deviations of the last six weeks.

    Sources: a level, a trend and a seasonal component, each estimated robustly from the past, is the
    decomposition of Cleveland et al., STL, Journal of Official Statistics 6 (1990), with running medians in
    the place of its loess (Tukey, Exploratory Data Analysis, 1977, ch. 7); the deviation is the MAD of
    Rousseeuw & Croux, Alternatives to the Median Absolute Deviation, JASA 88 (1993); that it is a better
    rule for outliers than the standard deviation: Leys et al., J. Exp. Soc. Psychology 49 (2013).
    """
    days = _calendar(known)
    values = [known.get(day, nan) for day in days]
    if width.ratio:
        values = [log(value) if value > 0 else nan for value in values]
    labels = _labels(days, seals)
    level = _level(values)
    season = _season([value - usual for value, usual in zip(values, level, strict=True)], labels)
    middle = [
        usual + (0.0 if differs != differs and label < _WEEK else differs)
        for usual, differs, label in zip(level, season, labels, strict=True)
    ]
    residual = [value - usual for value, usual in zip(values, middle, strict=True)]
    spread = _shifted(_rolling([abs(value) for value in residual], _SPREAD, _LEVEL))
    below, above = _month_end_margins(days, residual)
    edges = _ratio_edges if width.ratio else _edges
    return [
        edges(
            middle[place], spread[place] * _MAD_TO_SIGMA * width.deviations, below[place], above[place], width
        )
        if len(known_values(values[max(0, place - _TREND * 2) : place])) >= LEAST_DAYS
        else (nan, nan, nan)
        for place in range(len(days))
    ]


def expected_ranges(
    summaries: Sequence[BackupSummary], figure: str, last: int = HISTORY_DAYS
) -> list[ExpectedRange]:
    """The range for each of the `last` days that have a backup and enough earlier days; oldest first.

    `figure` is one of NUMBERS: sizes in bytes, duration in seconds, throughput in bytes a second.
    """
    chosen = daily_backups(summaries)
    if len(chosen) <= LEAST_DAYS:
        return []
    width, days = WIDTHS[figure], [summary.day for summary in chosen]
    values = {summary.day: figure_value(summary, figure) for summary in chosen}
    seals = (
        {summary.day: summary.seal for summary in chosen} if width.ratio else {}
    )  # a size does not depend on the seal
    ranges = dict(zip(_calendar(values), compute_ranges(values, width, seals), strict=True))
    result = []
    for place, day in enumerate(days):
        low, middle, high = ranges[day]
        if place >= len(days) - last and middle == middle:  # not NaN: there were enough days
            used = [other for other in days[:place] if (day - other).days <= _TREND * 2]
            result.append(ExpectedRange(day, low, middle, high, used[0], used[-1], len(used)))
    return result


_WEEK = 7


def _calendar(days: Iterable[date]) -> list[date]:
    """All calendar days from the first to the last."""
    first, last = min(days), max(days)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def known_values(values: Series) -> list[float]:
    """The values that are not NaN."""
    return [value for value in values if value == value]


def median(values: Series, least: int = 1) -> float:
    """The median of the values that are not NaN; NaN where fewer than `least` are."""
    known = sorted(known_values(values))
    if len(known) < least:
        return nan
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2


def _shifted(values: Series) -> list[float]:
    """For each day the value of the day before."""
    return [nan, *values[:-1]]


def _changes(values: Series, days: int) -> list[float]:
    """The change of each day over this many days."""
    return [
        *[nan] * min(days, len(values)),
        *(now - then for now, then in zip(values[days:], values, strict=False)),
    ]


def _rolling(values: Series, window: int, least: int) -> list[float]:
    """For each day the median of the `window` days up to it; NaN where fewer than `least` are known."""
    return [median(values[max(0, end - window) : end], least) for end in range(1, len(values) + 1)]


def _labels(days: Sequence[date], seals: Mapping[date, str]) -> list[int]:
    """The label by which days are compared: weekdays are 0 to 6, each unusual kind of seal has
    one from 7 on.
    """
    counted = Counter(seals.values())
    usual = min(counted, key=lambda seal: (-counted[seal], seal), default="")
    odd = {seal: _WEEK + number for number, seal in enumerate(sorted(set(counted) - {usual}))}
    return [odd.get(seals.get(day, usual), day.weekday()) for day in days]


def _level(values: Series) -> list[float]:
    """The level of each day before the seasonal part; the last known value after a week without any."""
    trend, result, last = _trend(values), [], nan
    for place in range(len(values)):
        recent = range(1, min(_LEVEL, place) + 1)
        level = median([values[place - step] + trend[place] * step for step in recent])
        result.append(level if level == level else last)
        last = values[place] if values[place] == values[place] else last
    return result


def _trend(values: Series) -> list[float]:
    """The change per day as known on the day before: from whole weeks, or from days while there
    are no weeks.
    """
    weeks = _rolling([change / _LEVEL for change in _changes(values, _LEVEL)], _TREND, _LEVEL)
    steps = _rolling(_changes(values, 1), _TREND, 3)
    known = [week if week == week else step for week, step in zip(weeks, steps, strict=True)]
    return [trend if trend == trend else 0.0 for trend in _shifted(known)]


def _season(away: Series, labels: Sequence[int]) -> list[float]:
    """For each day that has a value, the median of the last eight earlier days with its label; else NaN."""
    before: dict[int, list[float]] = defaultdict(list)
    result = []
    for value, label in zip(away, labels, strict=True):
        alike = before[label]
        result.append(median(alike[-_SEASON:], _LEAST_SEASON) if value == value else nan)
        alike.extend(known_values([value]))
    return result


def _edges(middle: float, spread: float, below: float, above: float, width: Tolerance) -> Limits:
    """The edges in the figure's own unit; none is below 0."""
    size, spread = abs(middle), spread if spread == spread else 0.0
    down = max(spread, size * width.below, width.least, below * _ROOM)
    up = max(spread, size * width.above, width.least, above * _ROOM)
    return _at_least_zero(middle - down, middle, middle + up)


def _ratio_edges(middle: float, spread: float, below: float, above: float, width: Tolerance) -> Limits:
    """The edges where `middle` and the others are logarithms."""
    spread, usual = spread if spread == spread else 0.0, exp(middle)
    down = max(spread, -log1p(-width.below), below * _ROOM)
    up = max(spread, log1p(width.above), above * _ROOM)
    low, high = min(exp(middle - down), usual - width.least), max(exp(middle + up), usual + width.least)
    return _at_least_zero(low, usual, high)


def _at_least_zero(low: float, middle: float, high: float) -> Limits:
    return (nan, nan, nan) if middle != middle else (max(low, 0.0), max(middle, 0.0), max(high, 0.0))


def _month_end_margins(days: Sequence[date], residual: Series) -> tuple[list[float], list[float]]:
    """How much farther a figure may lie around the end of a month, downwards and upwards.

    It is the second largest deviation at the last four ends of months: a single one is no pattern.
    """
    near = [_is_near_month_end(day) for day in days]
    months = [(day - timedelta(days=_TURN_AFTER)).replace(day=1) for day in days]
    result = []
    for sign in (-1, 1):
        found = zip(months, near, residual, strict=True)
        peaks = {
            month: max(
                (max(sign * value, 0.0) for _, at_end, value in group if at_end and value == value),
                default=nan,
            )
            for month, group in groupby(found, key=lambda one: one[0])
        }
        margins = dict(zip(peaks, _habits(list(peaks.values())), strict=True))
        result.append([margins[month] if at_end else 0.0 for month, at_end in zip(months, near, strict=True)])
    return result[0], result[1]


def _is_near_month_end(day: date) -> bool:
    return day.day <= _TURN_AFTER or (day + timedelta(days=_TURN_BEFORE)).month != day.month


def _habits(peaks: Series) -> list[float]:
    """For each month the second largest peak of the four before it; 0 where fewer than two are known."""
    result = []
    for place in range(len(peaks)):
        before = sorted(known_values(peaks[max(0, place - _MONTHS) : place]))
        result.append(before[-2] if len(before) > 1 else 0.0)
    return result
