"""How much of what is planted is found, and how often plain life raises an alarm, in eleven kinds of books.

The thresholds were tuned on the histories of seeds below 1000. Those in here were not looked at meanwhile.
`make bench ARGS="--only anomalies"` prints the rates.
"""

import random
from collections import Counter

import pytest

from ledgerflow_ops.core.monitoring import anomalies
from ledgerflow_ops.core.monitoring.expected_ranges import LEAST_DAYS, expected_ranges
from ledgerflow_ops_tests.fakes import anomaly_rates, histories

PLANTED = range(2000, 2010)
"""In each of these every kind of trouble is planted once."""
FOUND = 0.95


@pytest.mark.parametrize("kind", histories.KINDS)
def test_every_loss_is_found_in_books_of_every_kind(kind: str) -> None:
    rates = anomaly_rates.count_found(kind, range(2000, 2001))
    losses = {name for name in rates.missed if name in histories.LOSSES}
    assert not losses, rates.line


def test_plain_life_of_one_seed_raises_hardly_an_alarm() -> None:
    """One history of each kind but the largest: a fixed sample, quick enough for every run."""
    kinds = [kind for kind in histories.KINDS if kind != "many branches"]
    counted = [anomaly_rates.count_false_alarms(kind, [1000]) for kind in kinds]
    assert sum(sum(rates.false.values()) for rates in counted) <= sum(rates.years for rates in counted)


@pytest.mark.slow
@pytest.mark.parametrize("kind", histories.KINDS)
def test_the_rates_of_every_kind(kind: str) -> None:
    """At most one false alarm a year, and every planted loss found."""
    false, found = anomaly_rates.measured(kind)
    assert false.false_a_year <= anomaly_rates.FALSE_A_YEAR, false.line
    assert not {name for name in found.missed if name in histories.LOSSES}, found.line
    rests = sum(found.planted[name] for name in histories.RESTS)
    assert sum(found.found[name] for name in histories.RESTS) >= 0.7 * rests, found.line


@pytest.mark.slow
def test_what_is_planted_in_an_office_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    found, all_of_them = Counter[str](), Counter[str]()
    for seed in PLANTED:
        history, chance = histories.history(seed), random.Random(seed)
        for name, (kinds, plant) in histories.PLANTS.items():
            end = chance.randrange(90, len(history))
            told = {one.kind for one in anomalies.find_anomalies(plant(history[:end]))}
            all_of_them[name] += 1
            found[name] += bool(told & kinds)
    with capsys.disabled():
        print()
        for name, number in all_of_them.items():
            print(f"  {name}: {found[name]} of {number} found")
    total = sum(found.values()) / sum(all_of_them.values())
    assert total >= FOUND
    assert not {name for name, number in all_of_them.items() if found[name] < FOUND * number}


@pytest.mark.parametrize("figure", anomalies.FIGURES)
def test_a_band_is_made_of_the_days_before_it_only(figure: str) -> None:
    """A day's range does not change when later days are added."""
    history = histories.history(1001, days=150)
    later = {band.day: band for band in expected_ranges(history, figure)}
    for end in range(LEAST_DAYS + 30, 150, 11):
        (then,) = expected_ranges(history[:end], figure, last=1)
        now = later[then.day]
        assert (then.low, then.expected, then.high) == pytest.approx((now.low, now.expected, now.high))
        assert (then.since, then.until, then.days) == (now.since, now.until, now.days)
