"""The day a disk will be full, objectives, and the findings about disks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_proven
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.monitoring import disk_findings, disk_forecast, objectives
from ledgerflow_ops.core.monitoring.disk_findings import Disk
from ledgerflow_ops.core.monitoring.disk_forecast import Measurement
from ledgerflow_ops_tests.fakes import histories

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GB = 1000**3


def losing(per_day: int, free: int, days: int = 20) -> list[Measurement]:
    """A disk on which `free` bytes are left now, and which lost so many a day."""
    return [Measurement(NOW - DAY * back, free + per_day * back, 500 * GB) for back in reversed(range(days))]


@given(st.integers(1, 10**10), st.integers(0, 10**12), st.integers(4, 28))
def test_a_steady_loss_fills_the_disk_on_its_day(per_day: int, free: int, days: int) -> None:
    found = disk_forecast.forecast_full(losing(per_day, free, days), NOW)
    assert found is not None
    assert found.per_day == pytest.approx(per_day)
    assert (found.since, found.days) == ((NOW - DAY * (days - 1)).date(), days)
    left = free / per_day
    assert found.days_left(NOW.date()) == (int(left) if left < 3650 else None)


@given(st.integers(5, 28), st.integers(0, 27), st.integers(-(10**11), 10**11))
def test_one_odd_day_does_not_bend_the_trend(days: int, odd: int, by: int) -> None:
    history = losing(GB, 400 * GB, days)
    place = odd % (days - 1)
    history[place] = replace(history[place], free=max(0, history[place].free + by))
    found = disk_forecast.forecast_full(history, NOW)
    assert found is not None
    assert found.per_day == pytest.approx(GB, rel=0.8)


def test_a_disk_that_empties_or_rests_is_never_full() -> None:
    for per_day in (-GB, 0):
        found = disk_forecast.forecast_full(losing(per_day, 100 * GB), NOW)
        assert found is not None
        assert (found.full, found.days_left(NOW.date())) == (None, None)


def test_the_day_is_computed_from_the_last_measurement_not_from_when_it_is_asked() -> None:
    history = losing(GB, 30 * GB)
    later = disk_forecast.forecast_full(history, NOW + 10 * DAY)
    assert later is not None
    assert later.full == (NOW + 30 * DAY).date()
    assert later.days_left((NOW + 10 * DAY).date()) == 20


def test_three_days_are_no_trend_and_old_ones_neither() -> None:
    assert disk_forecast.forecast_full(losing(GB, GB, 3), NOW) is None
    assert disk_forecast.forecast_full(losing(GB, GB, 20), NOW + 60 * DAY) is None
    assert disk_forecast.forecast_full([], NOW) is None


@given(st.lists(st.integers(-100_000, 30_000_000), max_size=300))
def test_what_is_kept_is_bounded_and_in_order(minutes: list[int]) -> None:
    history = [Measurement(NOW - timedelta(minutes=back), 5, 9) for back in sorted(minutes, reverse=True)]
    kept = disk_forecast.thin_history(history, NOW)
    assert kept == sorted(kept, key=lambda one: one.at)
    assert all(NOW - 400 * DAY < one.at <= NOW for one in kept)
    older = [one.at.date() for one in kept if one.at <= NOW - 2 * DAY]
    assert len(older) == len(set(older))
    recent = [one for one in history if NOW - 2 * DAY < one.at <= NOW]
    assert all(one in kept for one in recent)
    assert disk_forecast.thin_history(kept, NOW) == kept


def disk(free: int, per_day: int = 0, needs: int = 0, files: tuple[int, int] = (0, 0)) -> Disk:
    measurement = Measurement(NOW, free, 500 * GB, *files)
    return Disk(
        "/b", ("backups",), measurement, disk_forecast.forecast_full(losing(per_day, free), NOW), needs
    )


@pytest.mark.parametrize(
    ("found", "kind", "level"),
    [
        (disk(400 * GB), None, None),
        (disk(400 * GB, GB), None, None),
        (disk(14 * GB, GB), "disk filling", Level.WARNING),
        (disk(3 * GB, GB), "disk filling", Level.CRITICAL),
        (disk(100 * GB, GB, needs=100 * GB), None, None),
        (disk(100 * GB, GB, needs=100 * GB + 1), "disk full", Level.CRITICAL),
        (disk(19 * GB), "disk filling", Level.WARNING),
        (disk(21 * GB), None, None),
        (disk(400 * GB, files=(49, 1000)), "inodes", Level.WARNING),
        (disk(400 * GB, files=(9, 1000)), "inodes", Level.CRITICAL),
        (disk(400 * GB, files=(50, 1000)), None, None),
    ],
)
def test_what_is_said_of_a_disk(found: Disk, kind: str | None, level: Level | None) -> None:
    told = disk_findings.find_disk_problems([found], NOW)
    assert [(one.kind, one.level) for one in told] == ([(kind, level)] if kind else [])
    for one in told:
        assert one.subject == "/b"
        assert "/b (backups)" in one.message
        assert one.cause == disk_findings.disk_cause(found)
    assert disk_findings.is_full(found) == (
        kind == "disk full" or (kind, level) == ("inodes", Level.CRITICAL)
    )


def test_the_message_of_a_filling_disk_names_the_day() -> None:
    (told,) = disk_findings.find_disk_problems([disk(10 * GB, GB)], NOW)
    assert told.message == (
        "/b (backups) will be full on 2026-12-03, in 10 days: 10.0 GB free, and it loses 1.0 GB a day "
        "(measured on 20 days since 2026-11-04)."
    )


@pytest.fixture(scope="module")
def plain() -> list[BackupSummary]:
    return histories.history(5, days=40)


def test_rpo_and_rto_are_those_of_the_newest_proven_backup(plain: list[BackupSummary]) -> None:
    now = plain[-1].recovery_point + timedelta(hours=27)
    unproven = [*plain[:-1], replace(plain[-1], proven=False)]
    standing = objectives.evaluate_objectives(plain, now, rpo_hours=27, rto_minutes=60, redrill_days=30)
    assert (standing.rpo_seconds, standing.rpo_kept) == (27 * 3600, True)
    assert (standing.rto_seconds, standing.rto_kept) == (plain[-1].rto_seconds, True)
    later = objectives.evaluate_objectives(unproven, now, rpo_hours=27, rto_minutes=60, redrill_days=30)
    assert (later.rpo_seconds, later.rpo_kept) == ((now - plain[-2].recovery_point).total_seconds(), False)
    nothing = objectives.evaluate_objectives([], now, rpo_hours=27, rto_minutes=60, redrill_days=30)
    assert (nothing.rpo_seconds, nothing.rpo_kept, nothing.rto_kept) == (None, False, False)


def test_coverage_waits_for_the_longest_unrestored_first(plain: list[BackupSummary]) -> None:
    now = plain[-1].recovery_point + timedelta(hours=1)
    found = objectives.drill_coverage(plain, now, 30)
    assert found.kept == len(plain)
    assert [one.day for one in found.overdue] == [
        one.day for one in plain if one.day <= plain[-1].day - timedelta(days=30)
    ]
    assert found.restored == len(plain) - len(found.overdue)
    assert found.share == pytest.approx(found.restored / len(plain))
    redrilled = [replace(plain[0], restored_at=now), replace(plain[1], restored_at=None), *plain[2:]]
    assert objectives.drill_coverage(redrilled, now, 30).overdue[0].day == plain[1].day
    never = objectives.drill_coverage([replace(plain[-1], restored_at=None)], now, 30)
    assert (never.kept, never.restored, never.overdue, never.share) == (1, 0, (), 0.0)
    elsewhere = [replace(one, local=False) if number < 20 else one for number, one in enumerate(plain)]
    assert objectives.drill_coverage(elsewhere, now, 30).overdue == ()
    assert objectives.drill_coverage([replace(one, bad=True) for one in plain], now, 30).share == 1


def test_freshness_is_of_the_newest_proven_backup_and_of_nothing_else(plain: list[BackupSummary]) -> None:
    newest = plain[-1]

    def fresh(after: timedelta, listed: list[BackupSummary], *, expected: bool = True) -> Check:
        now = newest.recovery_point + after
        standing = objectives.evaluate_objectives(listed, now, rpo_hours=26, rto_minutes=60, redrill_days=30)
        return objectives.check_freshness(standing, newest_proven(listed), expected=expected)

    assert fresh(timedelta(hours=26), plain).passed
    late = fresh(timedelta(hours=26, seconds=1), plain)
    assert (late.passed, late.cause, late.severity) == (False, "rpo", Severity.ERROR)
    assert newest.name.dump in late.message
    unproven = [*plain[:-1], replace(newest, proven=False)]
    assert plain[-2].name.dump in fresh(timedelta(hours=1), unproven).message
    assert fresh(timedelta(0), []).cause == "nothing proven"
    assert fresh(timedelta(0), [], expected=False).severity is Severity.WARN
    assert fresh(timedelta(hours=-1), plain).cause == "future"
