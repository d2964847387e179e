"""The findings of a run that has ended, and the findings that it resolves."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.checks import failed, passed, warned
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import run_outcomes
from ledgerflow_ops.core.monitoring.run_outcomes import EndedRun, RunResult

DEV, PROD = Environment.DEV, Environment.PROD
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY, TOMORROW = date(2026, 11, 23), date(2026, 11, 22), date(2026, 11, 24)
BAD = failed("integrity", "hash", "The SHA-256 differs.", Hint(make("backup")))
ODD = warned("size", "median", "It is small.", Hint(make("verify")))


def run(
    fate: RunResult = RunResult.FAILURE, verb: str = "backup", day: date | None = TODAY, **facts: Any
) -> EndedRun:
    facts = (
        {"message": "No room.", "hint": Hint("Free room."), **facts} if fate is RunResult.FAILURE else facts
    )
    return EndedRun("r1", facts.pop("environment", PROD), verb, day, fate, NOON, **facts)


def left(*runs: EndedRun) -> list[Finding]:
    standing: run_outcomes.OpenFindings = {}
    for one in runs:
        standing = run_outcomes.findings_after(standing, one)
    return [finding for findings in standing.values() for finding in findings]


def done(verb: str = "backup", day: date | None = TODAY, **facts: Any) -> EndedRun:
    return run(RunResult.SUCCESS, verb, day, **facts)


class TestWhatIsWrong:
    def test_a_failed_run_says_why_and_what_to_do(self) -> None:
        [found] = left(run())
        assert (found.environment, found.kind, found.level, found.run_id) == (
            PROD,
            "run failed",
            Level.CRITICAL,
            "r1",
        )
        assert found.message == "The run prod backup of 2026-11-23 failed: No room."
        assert str(found.hint) == "Free room."

    def test_one_that_a_check_stopped_tells_the_check(self) -> None:
        [found] = left(run(checks=(BAD, passed("exists", "There."))))
        assert (found.kind, found.subject) == ("check failed", "backup 2026-11-23 integrity")
        assert str(found.hint) == "LEDGER_ENV=prod make backup"

    def test_a_failed_check_in_a_run_that_ended_well_is_reported(self) -> None:
        [found] = left(done(checks=(ODD,)))
        assert (found.kind, found.level) == ("check failed", Level.WARNING)
        [found] = left(done(checks=(BAD,)))
        assert found.level is Level.CRITICAL

    def test_a_check_that_was_not_carried_out_is_reported(self) -> None:
        [found] = left(done("drill", missing=("data_rules",)))
        assert (found.kind, found.level) == ("check missing", Level.CRITICAL)
        assert str(found.hint) == "LEDGER_ENV=prod make restore-test FILE=2026-11-23"

    def test_what_a_failed_run_did_not_come_to_is_not_reported_as_missing(self) -> None:
        assert [one.kind for one in left(run(missing=("restorable",)))] == ["run failed"]

    def test_several_findings_of_a_run_have_one_cause(self) -> None:
        causes = {one.cause for one in left(done(checks=(BAD, ODD), missing=("sealed",)))}
        assert causes == {"The run prod backup of 2026-11-23 has findings."}

    @pytest.mark.parametrize(
        ("one", "level"),
        [
            (run(RunResult.CANCELED), Level.WARNING),
            (run(exit_code=3), Level.WARNING),
            (run(exit_code=4), Level.CRITICAL),
            (run(exit_code=5), Level.CRITICAL),
            (run(verb="catalog", day=None, environment=None), Level.WARNING),
        ],
    )
    def test_how_bad_it_is(self, one: EndedRun, level: Level) -> None:
        [found] = left(one)
        assert found.level is level
        assert found.hint

    @pytest.mark.parametrize(
        ("seen", "told"),
        [
            (run(by_hand=True), 1),
            (run(by_hand=True, exit_code=4), 1),
            (run(by_hand=True, exit_code=3), 0),
            (run(by_hand=True, exit_code=2), 0),
            (run(RunResult.CANCELED, by_hand=True), 0),
            (run(verb="restore", day=None, by_hand=True), 0),
            (run(verb="restore", day=None), 1),
        ],
    )
    def test_what_a_person_at_a_terminal_has_seen_anyway(self, seen: EndedRun, told: int) -> None:
        assert len(left(seen)) == told


class TestWhatIsMended:
    @pytest.mark.parametrize(
        ("wrong", "then", "stands"),
        [
            (run(), done(), False),
            (run(day=YESTERDAY), done(), False),
            (run(), done(day=YESTERDAY), True),
            (run(), done(environment=DEV), True),
            (run(verb="drill"), done("drill"), False),
            (run(verb="drill"), done("drill", TOMORROW), True),
            (run(verb="drill"), done(), False),
            (run(verb="verify"), done(), False),
            (run(verb="verify"), done(day=TOMORROW), True),
            (run(), done("drill"), True),
            (run(verb="restore", day=None), done("restore", None), False),
            (run(verb="restore", day=None), done(), True),
            (done(checks=(BAD,)), done(checks=(passed("integrity", "Whole."),)), False),
            (run(), run(RunResult.CANCELED), True),
        ],
    )
    def test_by_the_next_run(self, wrong: EndedRun, then: EndedRun, stands: bool) -> None:
        assert bool(left(wrong, then)) is stands

    def test_the_same_day_failed_again_is_one_finding(self) -> None:
        assert len(left(run(), run())) == 1
        assert len(left(run(day=YESTERDAY), run())) == 2

    def test_runs_by_hand_resolve_it_as_well(self) -> None:
        assert left(run(), done(by_hand=True)) == []

    def test_what_a_person_saw_changes_nothing(self) -> None:
        assert len(left(run(), run(by_hand=True, exit_code=3))) == 1


class TestWhatIsPast:
    def aged(self, one: EndedRun, edge: date, now: datetime = NOON) -> list[Finding]:
        found = run_outcomes.without_expired(run_outcomes.findings_after({}, one), {PROD: edge}, now)
        return [finding for findings in found.values() for finding in findings]

    def test_a_day_stands_as_long_as_it_is_in_the_window(self) -> None:
        assert self.aged(run(), TODAY)
        assert self.aged(run(), TODAY, NOON + timedelta(days=900))
        assert not self.aged(run(), TOMORROW)

    def test_what_has_no_day_stands_for_a_week(self) -> None:
        restore = run(verb="restore", day=None)
        assert self.aged(restore, TOMORROW, NOON + timedelta(days=7))
        assert not self.aged(restore, YESTERDAY, NOON + timedelta(days=7, seconds=1))


def test_only_what_changed_is_reported_again() -> None:
    before = run_outcomes.findings_after({}, run())
    assert list(
        run_outcomes.changed_sources(before, run_outcomes.findings_after(before, run(verb="drill")))
    ) == ["run:prod_drill"]
    assert list(run_outcomes.changed_sources(before, run_outcomes.findings_after(before, done()))) == [
        "run:prod_backup"
    ]
    assert list(run_outcomes.changed_sources({}, {"run:prod_backup": []})) == []
