"""What a figure is expected to be on a day, from the days before: its trend, its weekdays, its month ends.

Robust throughout (medians and median absolute deviations): a day that was wrong does not make the next
wrong day look right, and plain growth is what is expected. Every day's band is made of earlier days only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import log1p

import pandas as pd

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary

LEAST_DAYS = 8
"""So many days must have a figure before any is judged."""
HISTORY_DAYS = 200
"""Older days are not looked at."""

_LEVEL = 7
_TREND = 28
_SEASON = 8
_LEAST_SEASON = 3
_SPREAD = 42
_MONTHS = 4
_TURN_BEFORE, _TURN_AFTER = 2, 3
_ROOM = 1.5
"""How much farther than at earlier month ends a figure may lie at a month's end."""
_MAD_TO_SIGMA = 1.4826
"""Scales the median absolute deviation to a normal distribution's sigma (Rousseeuw & Croux, 1993)."""

NUMBERS = ("size", "database_size", "duration", "throughput", "rows")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from the expected value a figure may lie: the largest of so many robust deviations, this share
    of the expected value (one for each direction), and this much in its own unit.

    `ratio`: the figure is judged by its logarithm, as times and rates are, which vary by factors.
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
    "rows": Tolerance(deviations=6, below=0.3, above=0.5, least=100),
}


@dataclass(frozen=True, slots=True)
class ExpectedRange:
    """What is expected on a day, and between what; `days` are the first and last day it is known from,
    and how many."""

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
    """One backup for each day, its newest; the oldest day first. Those known to be bad say nothing, and
    neither do those of another kind of database (the sample, or the real one) than the newest is."""
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


def figures_frame(summaries: Sequence[BackupSummary]) -> pd.DataFrame:
    """The figures of `daily` backups, a row for each calendar day; a day without backup has none."""
    rows = [
        {
            "day": pd.Timestamp(summary.day),
            "size": float(summary.size),
            "database_size": float(summary.database_size),
            "duration": float(summary.duration_seconds),
            "throughput": summary.database_size / summary.duration_seconds
            if summary.duration_seconds > 0
            else None,
            "rows": float(summary.rows),
            "seal": summary.seal,
        }
        for summary in summaries
    ]
    return pd.DataFrame(rows, columns=["day", *NUMBERS, "seal"]).set_index("day").asfreq("D")


def compute_ranges(
    values: "pd.Series[float]", width: Tolerance, seals: "pd.Series[str] | None" = None
) -> pd.DataFrame:
    """Low, expected and high for each day of `values` (one a calendar day), from the days before it.

    The level is the median of the last seven days, each carried forward by the trend (the median of what
    a week changed, over four weeks); on it comes what the same weekday differed by, in the median of eight.
    Backups with a seal other than the usual are like weekdays of their own: a seal of every byte takes long.
    """
    labels = _labels(values.index, seals)
    if width.ratio:
        values = values.where(values > 0).transform("log")
    trend = _trend(values)
    ahead = pd.DataFrame({step: values.shift(step) + trend * step for step in range(1, _LEVEL + 1)})
    level = ahead.median(axis=1)
    level = level.where(level.notna(), _last_known(values))
    away = values - level
    season = away.groupby(labels).transform(_recent_median)
    odd = labels >= _WEEK
    middle = level + season.fillna(0.0).where(~odd, season)
    wrong = values - middle
    spread = wrong.abs().rolling(_SPREAD, min_periods=_LEVEL).median().shift() * _MAD_TO_SIGMA
    below, above = _month_end_margins(wrong)
    edges = _ratio_edges if width.ratio else _edges
    ranges = edges(middle, spread * width.deviations, below, above, width)
    enough = values.notna().rolling(_TREND * 2, min_periods=1).sum().shift() >= LEAST_DAYS
    return ranges.clip(lower=0).where(enough)


def expected_ranges(
    summaries: Sequence[BackupSummary], figure: str, last: int = HISTORY_DAYS
) -> list[ExpectedRange]:
    """The band of each of the `last` days that have a backup, and days enough before it; oldest first.

    `figure` is one of NUMBERS: sizes in bytes, duration in seconds, throughput in bytes a second.
    """
    chosen = daily_backups(summaries)
    if len(chosen) <= LEAST_DAYS:
        return []
    table = figures_frame(chosen)
    width = WIDTHS[figure]
    ranges = compute_ranges(
        table[figure], width, table["seal"] if width.ratio else None
    )  # no size hangs on a seal
    days = [summary.day for summary in chosen]
    rows = ranges.reindex(pd.DatetimeIndex(days)).to_numpy(dtype=float).tolist()
    result = []
    for place, (day, (low, middle, high)) in enumerate(zip(days, rows, strict=True)):
        if place >= len(days) - last and middle == middle:  # not a NaN: there were days enough
            used = [other for other in days[:place] if (day - other).days <= _TREND * 2]
            result.append(ExpectedRange(day, low, middle, high, used[0], used[-1], len(used)))
    return result


_WEEK = 7


def _labels(index: pd.Index, seals: "pd.Series[str] | None") -> "pd.Series[int]":
    """What days are like one another: weekdays 0–6; seals that are not the usual one, 7 and on."""
    labels = pd.Series(pd.DatetimeIndex(index).day_of_week, index=index)
    if seals is None or seals.dropna().empty:
        return labels
    usual = seals.dropna().mode().iloc[0]
    for number, seal in enumerate(sorted(set(seals.dropna()) - {usual})):
        labels = labels.where(seals != seal, _WEEK + number)
    return labels


def _trend(values: "pd.Series[float]") -> "pd.Series[float]":
    """What a day changes, as it was known the day before: by whole weeks, or by days while there are none."""
    weeks = (values.diff(_LEVEL) / _LEVEL).rolling(_TREND, min_periods=_LEVEL).median()
    steps = values.diff().rolling(_TREND, min_periods=3).median()
    return weeks.where(weeks.notna(), steps).shift().fillna(0.0)


def _last_known(values: "pd.Series[float]") -> "pd.Series[float]":
    """The last known value before each day, for days after a week without any."""
    return values.shift().ffill()


def _recent_median(group: "pd.Series[float]") -> "pd.Series[float]":
    """The median of the last eight before each that are known."""
    known = group.dropna()
    return known.shift().rolling(_SEASON, min_periods=_LEAST_SEASON).median().reindex(group.index)


def _edges(
    middle: "pd.Series[float]",
    spread: "pd.Series[float]",
    below: "pd.Series[float]",
    above: "pd.Series[float]",
    width: Tolerance,
) -> pd.DataFrame:
    """The band's edges in the figure's own unit."""
    size, spread = middle.abs(), spread.fillna(0.0)
    down = spread.clip(lower=size * width.below).clip(lower=width.least).clip(lower=below * _ROOM)
    up = spread.clip(lower=size * width.above).clip(lower=width.least).clip(lower=above * _ROOM)
    return pd.DataFrame({"low": middle - down, "expected": middle, "high": middle + up})


def _ratio_edges(
    middle: "pd.Series[float]",
    spread: "pd.Series[float]",
    below: "pd.Series[float]",
    above: "pd.Series[float]",
    width: Tolerance,
) -> pd.DataFrame:
    """The band's edges where `middle` and the others are logarithms."""
    spread, usual = spread.fillna(0.0), middle.transform("exp")
    down = spread.clip(lower=-log1p(-width.below)).clip(lower=below * _ROOM)
    up = spread.clip(lower=log1p(width.above)).clip(lower=above * _ROOM)
    low, high = (middle - down).transform("exp"), (middle + up).transform("exp")
    apart = {"low": low.clip(upper=usual - width.least), "high": high.clip(lower=usual + width.least)}
    return pd.DataFrame({"low": apart["low"], "expected": usual, "high": apart["high"]})


def _month_end_margins(wrong: "pd.Series[float]") -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """How much farther a figure may lie around a month's end, downwards and upwards: what it did at two of
    the last four. Once is no habit."""
    index = pd.DatetimeIndex(wrong.index)
    near = (index.days_in_month - index.day < _TURN_BEFORE) | (index.day <= _TURN_AFTER)
    month = (index - pd.Timedelta(days=_TURN_AFTER)).to_period("M")
    inside = wrong.where(near)
    result = []
    for sign in (-1, 1):
        peaks = (inside * sign).groupby(month).max().clip(lower=0)
        known = peaks.shift().rolling(_MONTHS, min_periods=2).apply(_second_largest, raw=True).fillna(0.0)
        result.append(pd.Series(known.reindex(month).to_numpy(), index=wrong.index).where(near, 0.0))
    return result[0], result[1]


def _second_largest(values: Sequence[float]) -> float:
    """The second largest."""
    return sorted(values)[-2]
