"""How often each kind of books raises a false alarm, and how much of what is planted in them is found.

A false alarm is one event: findings that are open at once and share a cause are one alert, as when they are
sent (core/alerting).
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ledgerflow_ops.core.alerting.findings import Finding
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.monitoring import anomalies, content_anomalies
from ledgerflow_ops.core.monitoring.expected_ranges import HISTORY_DAYS, daily_backups, expected_ranges
from ledgerflow_ops_tests.fakes import histories

FALSE_A_YEAR = 1.0
"""The limit for every kind of books."""
_PLAIN, _PLANTED = range(1000, 1005), range(1500, 1510)
"""The seeds of the histories that are measured; the thresholds were tuned on others."""
_STEP = HISTORY_DAYS - 120
_LOOKED_AT = content_anomalies.WINDOW + 1


@dataclass
class Rates:
    """The rates of one kind of books."""

    kind: str
    years: float = 0.0
    false: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    @property
    def false_a_year(self) -> float:
        return sum(self.false.values()) / self.years if self.years else 0.0

    @property
    def missed(self) -> dict[str, str]:
        """What was not always found: how often, of how many."""
        return {
            name: f"{self.found[name]} of {number}"
            for name, number in self.planted.items()
            if self.found[name] < number
        }

    @property
    def line(self) -> str:
        """The rates in one line."""
        return (
            f"{self.kind}: {self.false_a_year:.2f} false alarms a year {dict(self.false)}; "
            f"{sum(self.found.values())} of {sum(self.planted.values())} found {self.missed or ''}"
        )


def findings_by_day(history: list[BackupSummary]) -> Iterator[list[Finding]]:
    """The findings of each day, as if the history ended there.

    The ranges of all days are computed at once, which is quicker: each is computed from earlier days only,
    and a test holds that.
    """
    figures: dict[object, list[Finding]] = {}
    for end in range(_STEP, len(history) + _STEP, _STEP):
        part = history[:end]
        rows = {band.day: band for band in expected_ranges(part, "rows", last=_STEP)}
        for figure in anomalies.FIGURES:
            by_day = {band.day: band for band in expected_ranges(part, figure, last=_STEP)}
            for before, one in pairwise(part):
                if one.day in by_day:
                    found = anomalies.judge_figure(one, before, figure, by_day[one.day], rows.get(one.day))
                    figures.setdefault(one.day, []).extend(found)
    for end in range(2, len(history) + 1):
        recent = daily_backups(history[max(0, end - _LOOKED_AT) : end])
        held = content_anomalies.find_content_anomalies(recent, ())
        yield [*held, *figures.get(history[end - 1].day, [])]


def count_false_alarms(kind: str, seeds: Sequence[int]) -> Rates:
    """The false alarms of plain histories."""
    rates = Rates(kind)
    for seed in seeds:
        history = histories.history(seed, kind=kind)
        rates.years += len(history) / 365
        open_: set[str] = set()
        for told in findings_by_day(history):
            events = {one.cause or f"{one.kind}: {one.subject}": one.kind for one in told}
            rates.false.update(word for event, word in events.items() if event not in open_)
            open_ = set(events)
    return rates


def count_found(kind: str, seeds: Sequence[int]) -> Rates:
    """What is found of losses, and of rests where rows come on most days, each planted once a seed."""
    rates = Rates(kind)
    plants = {name: (histories.LOST, plant) for name, plant in histories.LOSSES.items()}
    plants |= histories.RESTS if histories.KINDS[kind].rests else {}
    for seed in seeds:
        history, chance = histories.history(seed, kind=kind), random.Random(f"{kind} {seed}")
        for name, (kinds, plant) in plants.items():
            end = chance.randrange(90, len(history))
            told = {one.kind for one in anomalies.find_anomalies(plant(history[:end]))}
            rates.planted[name] += 1
            rates.found[name] += bool(told & kinds)
    return rates


def measured(kind: str) -> tuple[Rates, Rates]:
    """The rates of a kind on the seeds kept for that: false alarms, and what is found."""
    return count_false_alarms(kind, _PLAIN), count_found(kind, _PLANTED)
