"""Looking at four times as many backups takes about four times as many steps: counted, not timed."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import FrameType
from zoneinfo import ZoneInfo

import pytest

from ledgerflow_ops.core.alerting.findings import Finding
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring import anomalies, missing_backups, objectives, proof_findings
from ledgerflow_ops.core.monitoring.missing_backups import DailySchedule
from ledgerflow_ops.core.presentation import day_status
from ledgerflow_ops_tests.fakes import histories

FEW, MANY = 300, 1200


def calls(work: Callable[[], object]) -> int:
    """How many functions are called meanwhile, those written in C too: comparisons of records among them."""
    counted = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def many(count: int) -> list[BackupSummary]:
    """So many backups, of which every third is bad and the last tenth lies in the future."""
    history = histories.history(8, days=count)
    return [replace(one, bad=number % 3 == 0) for number, one in enumerate(history)]


def dumps(present: list[BackupSummary]) -> list[ListedDump]:
    states = ("bad", "unjudged", "unrestorable", "valid")
    return [
        ListedDump(one.environment, one.name, one.size, states[number % 4], True, True, "trouble", one)
        for number, one in enumerate(present)
    ]


def examine(present: list[BackupSummary]) -> list[Finding]:
    """What the watch looks at in an environment."""
    now = present[len(present) * 9 // 10].recovery_point + timedelta(hours=1)
    listed, schedule = dumps(present), timedelta(minutes=90)
    state = objectives.evaluate_objectives(present, now, rpo_hours=26, rto_minutes=60, redrill_days=30)
    daily = DailySchedule(Environment.PROD, present[0].recovery_point.time(), ZoneInfo("UTC"), schedule)
    return [
        *proof_findings.bad_backups(Environment.PROD, listed),
        *proof_findings.unrestorable_sources(Environment.PROD, listed),
        *proof_findings.unjudged_backups(Environment.PROD, listed),
        *proof_findings.future_backups(Environment.PROD, present, now),
        *proof_findings.unproven_backup(present, now, schedule),
        *proof_findings.missed_objectives(Environment.PROD, present, state, now),
        *proof_findings.overdue_drills(Environment.PROD, state.coverage, 30),
        *missing_backups.find_missing_backups(present, daily, now),
        *anomalies.find_anomalies(present),
    ]


def test_an_examination_is_linear_in_the_number_of_backups() -> None:
    few, lots = many(FEW), many(MANY)
    assert {one.kind for one in examine(lots)} >= {"bad", "unjudged", "unrestorable", "future", "coverage"}
    small, large = calls(lambda: examine(few)), calls(lambda: examine(lots))
    assert large < 1.2 * small * MANY / FEW


@pytest.mark.parametrize("past", [False, True])
def test_so_are_the_days_of_the_status(past: bool) -> None:
    def look(present: list[BackupSummary]) -> object:
        today = present[-1].day
        removed = present[: len(present) // 2] if past else []
        return day_status.day_statuses(present, removed, today, 30, awaited=False)

    few, lots = many(FEW), many(MANY)
    assert calls(lambda: look(lots)) < 1.2 * calls(lambda: look(few)) * MANY / FEW


def test_the_count_notices_a_quadratic_look() -> None:
    def look(present: list[BackupSummary]) -> object:
        kept = list(present)
        return [one for one in reversed(present) if replace(one) not in kept]

    few, lots = many(20), many(80)
    assert calls(lambda: look(lots)) > 8 * calls(lambda: look(few))
