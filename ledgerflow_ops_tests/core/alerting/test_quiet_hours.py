"""Quiet hours, also in the nights in which the clock changes."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledgerflow_ops.core.alerting.quiet_hours import QuietHours

VIENNA = ZoneInfo("Europe/Vienna")
NIGHT, SIESTA = QuietHours(time(22), time(7), VIENNA), QuietHours(time(13), time(15), VIENNA)


@pytest.mark.parametrize(
    ("wall", "night", "siesta"),
    [
        ("21:59:59", False, False),
        ("22:00:00", True, False),
        ("00:00:00", True, False),
        ("06:59:59", True, False),
        ("07:00:00", False, False),
        ("12:59:59", False, False),
        ("13:00:00", False, True),
        ("14:59:59", False, True),
        ("15:00:00", False, False),
    ],
)
def test_it_begins_and_ends_on_the_second(wall: str, night: bool, siesta: bool) -> None:
    now = datetime.combine(datetime(2026, 11, 23, tzinfo=UTC).date(), time.fromisoformat(wall), VIENNA)
    assert (NIGHT.at(now), SIESTA.at(now)) == (night, siesta)
    assert NIGHT.at(now.astimezone(UTC)) is night


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 8), ("2026-10-24", 10), ("2026-11-23", 9)])
def test_the_clock_on_the_wall_decides(day: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    minutes = [noon + timedelta(minutes=minute) for minute in range(24 * 60)]
    assert sum(NIGHT.at(now) for now in minutes) == hours * 60
