"""Backups late and missed, unproven, bad; objectives not kept."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring import missing_backups, objectives, proof_findings
from ledgerflow_ops.core.monitoring.missing_backups import DailySchedule
from ledgerflow_ops.core.schedule.schedule import due_at
from ledgerflow_ops_tests.fakes import histories

PROD = Environment.PROD
PROMISE = DailySchedule(PROD, time(2, 30), ZoneInfo("UTC"), timedelta(minutes=90))
HISTORY = histories.history(5, days=30)
NEWEST = HISTORY[-1]
DAY = timedelta(days=1)


def due(after: int) -> datetime:
    """The instant at which the backup of that many days after the newest one's is due."""
    return due_at(NEWEST.day + DAY * after, PROMISE.at, PROMISE.zone)


def test_nothing_is_late_until_it_is() -> None:
    edge = due(1) + PROMISE.late
    assert missing_backups.find_missing_backups(HISTORY, PROMISE, edge - timedelta(seconds=1)) == []
    (late,) = missing_backups.find_missing_backups(HISTORY, PROMISE, edge)
    assert (late.kind, late.subject, late.level) == ("late", "backup", Level.WARNING)
    assert f"The backup of {NEWEST.day + DAY} was due at" in late.message
    assert f"The newest is {NEWEST.name.dump} of {NEWEST.day}." in late.message
    assert str(late.hint) == "LEDGER_ENV=prod make backup"
    assert late.cause == f"no backup of prod since {NEWEST.day}"


def test_several_days_are_critical_and_named() -> None:
    (late,) = missing_backups.find_missing_backups(HISTORY, PROMISE, due(4) + PROMISE.late)
    assert late.level is Level.CRITICAL
    missed = [NEWEST.day + DAY * step for step in (1, 2, 3)]
    assert f"Missed before it: {', '.join(map(str, missed))}." in late.message
    assert late.figures == {"missed": 4.0}
    (long,) = missing_backups.find_missing_backups(HISTORY, PROMISE, due(400) + PROMISE.late)
    assert f"399 days from {NEWEST.day + DAY} to {NEWEST.day + DAY * 399}" in long.message


def test_a_cause_that_is_known_and_work_under_way_are_reported() -> None:
    (late,) = missing_backups.find_missing_backups(
        HISTORY, PROMISE, due(1) + PROMISE.late, cause="the server is down", working=" It runs."
    )
    assert (late.cause, late.message.endswith(" It runs.")) == ("the server is down", True)


def test_an_environment_never_backed_up() -> None:
    (never,) = missing_backups.find_missing_backups([], PROMISE, due(1))
    assert (never.kind, never.level) == ("never", Level.CRITICAL)


def test_nothing_is_late_before_its_first_due_time() -> None:
    """A first `make up`, in the afternoon, with no backup or with one that was taken by hand days ago."""
    began = due(3) + timedelta(hours=9)
    new = replace(PROMISE, since=began)
    edge = due(4) + PROMISE.late
    for backups in ([], HISTORY):
        for now in (began, began + timedelta(seconds=5), edge - timedelta(seconds=1)):
            assert missing_backups.find_missing_backups(backups, new, now) == []
    (never,) = missing_backups.find_missing_backups([], new, edge)
    (late,) = missing_backups.find_missing_backups(HISTORY, new, edge)
    assert (never.kind, late.kind, late.level) == ("never", "late", Level.WARNING)
    assert late.figures == {"missed": 1.0}, "the days before were due to nobody"
    after = replace(NEWEST, day=NEWEST.day + 4 * DAY, recovery_point=NEWEST.recovery_point + 4 * DAY)
    assert missing_backups.find_missing_backups([*HISTORY, after], new, due(4)) == []


def test_days_missed_are_named_until_there_is_another_backup() -> None:
    gap = [*HISTORY[:-4], NEWEST]
    (missed,) = missing_backups.find_missing_backups(gap, PROMISE, due(1))
    days = [one.day for one in HISTORY[-4:-1]]
    assert (missed.kind, missed.level) == ("missed", Level.WARNING)
    assert f"but none for {', '.join(map(str, days))}." in missed.message
    assert f"make backfill FROM={days[0]} TO={days[-1]}" in missed.hint
    after = replace(NEWEST, day=NEWEST.day + DAY, recovery_point=NEWEST.recovery_point + DAY)
    assert missing_backups.find_missing_backups([*gap, after], PROMISE, due(2)) == []


@given(
    zone=st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    at=st.times(),
    day=st.dates(date(2024, 1, 1), date(2030, 1, 1)),
    ahead=st.integers(0, 10),
    late=st.integers(1, 600),
)
def test_a_backup_each_day_at_its_hour_is_never_late(
    zone: str, at: time, day: date, ahead: int, late: int
) -> None:
    """Also on the days on which the clock is put forward or back, and with every day after one missed."""
    promise = DailySchedule(PROD, at, ZoneInfo(zone), timedelta(minutes=late))
    newest = replace(NEWEST, day=day, recovery_point=due_at(day, at, promise.zone))
    edge = due_at(day + DAY * (ahead + 1), at, promise.zone) + promise.late
    second = timedelta(seconds=1)
    before = [day + DAY * step for step in range(1, ahead + 1)]
    if ahead == 0 or edge - second >= due_at(day + DAY * ahead, at, promise.zone) + promise.late:
        assert missing_backups.missed_days(newest, promise, edge - second) == before
    assert missing_backups.missed_days(newest, promise, edge) == [*before, day + DAY * (ahead + 1)]


def listed(one: BackupSummary) -> ListedDump:
    return ListedDump(PROD, one.name, one.size, one.state, one.local, True, one.problem, one)


def test_bad_backups_are_told_each_and_the_newest_is_critical() -> None:
    wrong = replace(HISTORY[3], bad=True, state="bad", problem="it is gone")
    last = replace(NEWEST, bad=True, state="bad", proven=False)
    found = proof_findings.bad_backups(
        PROD, [listed(one) for one in (*HISTORY[:3], wrong, *HISTORY[4:-1], last)]
    )
    assert [(one.subject, one.level) for one in found] == [
        (wrong.name.dump, Level.WARNING),
        (last.name.dump, Level.CRITICAL),
    ]
    assert found[0].message == f"{wrong.name.dump} is bad: it is gone."


def test_a_newest_backup_without_proof_is_reported_after_its_grace() -> None:
    grace = timedelta(minutes=90)
    raw = replace(NEWEST, proven=False, examined_at=None, restored_at=None, state="written")
    at = raw.finished_at + grace
    assert proof_findings.unproven_backup([*HISTORY[:-1], raw], at, grace) == []
    (found,) = proof_findings.unproven_backup([*HISTORY[:-1], raw], at + timedelta(seconds=1), grace)
    assert (found.kind, found.level) == ("unproven", Level.WARNING)
    assert "no check of it has run" in found.message
    assert f"The newest proven one is {HISTORY[-2].name.dump}." in found.message
    (alone,) = proof_findings.unproven_backup([raw], at + DAY, grace)
    assert (alone.level, "NOTHING IS PROVEN." in alone.message) == (Level.CRITICAL, True)
    half = replace(raw, examined_at=at, state="readable")
    assert "got as far as readable" in proof_findings.unproven_backup([half], at + DAY, grace)[0].message
    away = replace(raw, local=False)
    assert "only in the cloud" in proof_findings.unproven_backup([away], at + DAY, grace)[0].message
    assert proof_findings.unproven_backup(HISTORY, at + 9 * DAY, grace) == []


def test_a_newest_backup_that_lacks_something_is_reported_at_once_with_the_right_that_is_missing() -> None:
    lacking = replace(NEWEST, proven=False, state="equal", lacks="no feed", remedy="GRANT it.")
    present, at = [*HISTORY[:-1], lacking], lacking.finished_at
    (found,) = proof_findings.unproven_backup(present, at, timedelta(minutes=90))
    assert "something of the database is not in it (no feed)" in found.message
    assert str(found.hint) == "GRANT it. Then LEDGER_ENV=prod make backup"
    assert proof_findings.unproven_backup([lacking], at, timedelta(minutes=90))[0].level is Level.CRITICAL
    assert [one.level for one in proof_findings.incomplete_backup([lacking])] == [Level.WARNING]
    assert proof_findings.incomplete_backup(HISTORY) == proof_findings.incomplete_backup([]) == []
    assert proof_findings.incomplete_backup([replace(lacking, lacks="")]) == []


def standing(summaries: list[BackupSummary], now: datetime, hours: float = 26) -> objectives.Objectives:
    return objectives.evaluate_objectives(summaries, now, rpo_hours=hours, rto_minutes=1, redrill_days=5)


def test_objectives_not_kept_and_overdue_drills() -> None:
    now = NEWEST.recovery_point + timedelta(hours=26)
    quick = [replace(one, rto_seconds=60.0) for one in HISTORY]
    assert list(proof_findings.missed_objectives(PROD, quick, standing(quick, now), now)) == []
    late = now + timedelta(seconds=1)
    (rpo,) = proof_findings.missed_objectives(PROD, quick, standing(quick, late), late)
    assert (rpo.kind, rpo.level, rpo.cause) == (
        "rpo",
        Level.CRITICAL,
        f"no backup of prod since {NEWEST.day}",
    )
    assert "26.0 hours of work would be lost now" in rpo.message
    slow = [replace(one, rto_seconds=61.0) for one in HISTORY]
    (rto,) = proof_findings.missed_objectives(PROD, slow, standing(slow, now), now)
    assert (rto.kind, rto.level) == ("rto", Level.WARNING)
    raw = [replace(one, proven=False) for one in quick]
    (nothing,) = proof_findings.missed_objectives(PROD, raw, standing(raw, now), now)
    assert nothing.message.startswith("NOTHING IS PROVEN")
    assert f"make restore-test FILE={NEWEST.name.dump}" in nothing.hint
    soon = raw[0].recovery_point + timedelta(hours=26)
    assert list(proof_findings.missed_objectives(PROD, raw[:1], standing(raw[:1], soon), soon)) == []
    after = soon + timedelta(seconds=1)
    assert len(list(proof_findings.missed_objectives(PROD, raw[:1], standing(raw[:1], after), after))) == 1
    assert list(proof_findings.missed_objectives(PROD, [], standing([], now), now)) == []
    (coverage,) = proof_findings.overdue_drills(PROD, standing(quick, now).coverage, 5)
    assert coverage.message.startswith(
        f"{len(quick) - 4} of {len(quick)} kept backups have not been restored"
    )
    assert f"FILE={quick[0].name.dump}" in coverage.hint
    assert list(proof_findings.overdue_drills(PROD, standing(quick[-3:], now).coverage, 5)) == []


@pytest.mark.parametrize("hour", [0, 5, 23])
def test_late_and_rpo_have_one_cause(hour: int) -> None:
    now = datetime.combine(NEWEST.day + 4 * DAY, time(hour), UTC)
    (late,) = missing_backups.find_missing_backups(HISTORY, PROMISE, now)
    rpo = next(iter(proof_findings.missed_objectives(PROD, HISTORY, standing(HISTORY, now), now)))
    assert late.cause == rpo.cause != ""
