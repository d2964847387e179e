"""The findings of a run that has ended, and the findings that it resolves."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import run_evidence, run_outcomes
from ledgerflow_ops.core.monitoring.run_evidence import FolderEvidence
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


FILE, OTHER = "ledgerflow_prod_20261123_0100.dump", "ledgerflow_prod_20261123_1200.dump"
WHOLE = passed("integrity", "Whole.")
UNREACHED = Check("sealed", False, "Not judged: …", Hint("Fix that first."), cause="not reached")
LOOSE = warned("permissions", "parents", "It is readable.", Hint("chmod"))
PRIVATE = passed("permissions", "It is ours.")


class TestOnlyEvidenceResolves:
    """A finding ends when somebody looked again and found nothing, never because a run came later."""

    @pytest.mark.parametrize(
        ("wrong", "then", "stands"),
        [
            # A later run that did not come to the check has shown nothing, whatever became of it.
            (done("verify", checks=(BAD,)), run(verb="verify"), True),
            (done("verify", checks=(BAD,)), run(verb="verify", exit_code=3), True),
            (done("verify", checks=(BAD,)), run(RunResult.CANCELED, "verify"), True),
            (done("verify", checks=(BAD,)), done("verify"), True),
            (done(checks=(LOOSE,)), run(day=TOMORROW), True),
            (done(checks=(LOOSE,)), done(day=TOMORROW), True),
            (done(checks=(LOOSE,)), done(day=TOMORROW, checks=(WHOLE,)), True),
            # The check was carried out again and passed, in whichever kind of run.
            (done("verify", checks=(BAD,)), done("verify", checks=(WHOLE,)), False),
            (done("verify", checks=(BAD,)), done(checks=(WHOLE,)), False),
            (done(checks=(LOOSE,)), run(verb="verify", checks=(PRIVATE,)), False),
            (done(checks=(LOOSE,)), done(day=TOMORROW, checks=(PRIVATE,)), False),
            (done(checks=(LOOSE,)), done(day=YESTERDAY, checks=(PRIVATE,)), True),
            # A bad file stays bad, however good the next backup is.
            (done("verify", checks=(BAD,), backup=FILE), done(checks=(WHOLE,), backup=OTHER), True),
            (done(checks=(BAD,), backup=FILE), done(day=TOMORROW, checks=(WHOLE,), backup="x.dump"), True),
            (done("verify", checks=(BAD,), backup=FILE), done("drill", checks=(WHOLE,), backup=FILE), False),
            # A drill of another backup says nothing of the one that could not be judged.
            (run(verb="drill", exit_code=5, backup=FILE), done("drill", backup=OTHER), True),
            (run(verb="drill", exit_code=5, backup=FILE), done("drill", backup=FILE), False),
            (run(verb="drill", exit_code=5), done("drill"), False),
        ],
    )
    def test_by_another_run(self, wrong: EndedRun, then: EndedRun, stands: bool) -> None:
        first = left(wrong)[0].key
        assert (first in {finding.key for finding in left(wrong, then)}) is stands

    def test_a_check_that_was_not_reached_was_not_looked_at(self) -> None:
        unseen = Check("integrity", True, "Not judged.", cause="not reached")
        assert len(left(done("verify", checks=(BAD,)), done("verify", checks=(unseen,)))) == 1

    def test_a_check_that_another_one_kept_from_running_is_no_finding(self) -> None:
        assert [found.subject for found in left(run(verb="verify", checks=(BAD, UNREACHED)))] == [
            "verify 2026-11-23 integrity"
        ]
        assert len(left(run(verb="verify", checks=(UNREACHED,)))) == 1, "unless nothing else says why"

    def test_a_cancellation_neither_hides_a_failure_nor_adds_to_it(self) -> None:
        assert [found.kind for found in left(run(), run(RunResult.CANCELED))] == ["run failed"]
        assert [found.kind for found in left(run(RunResult.CANCELED), run())] == ["run failed"]

    def test_a_refusal_makes_an_earlier_failure_no_less_severe(self) -> None:
        [found] = left(run(), run(exit_code=3, message="Busy."))
        assert (found.level, found.message.endswith("failed: Busy.")) == (Level.CRITICAL, True)

    def test_a_finding_of_an_earlier_version_has_its_check_in_its_subject(self) -> None:
        [found] = left(done("verify", checks=(BAD,)))
        old = replace(found, figures={"ended": NOON.isoformat(), "day": "2026-11-23"})
        standing = {"run:prod_verify": [old]}
        assert run_outcomes.findings_after(standing, run(verb="verify"))["run:prod_verify"][0] == old
        assert run_outcomes.findings_after(standing, done("verify", checks=(WHOLE,)))["run:prod_verify"] == []


class TestTheFolder:
    """The end of a problem with one backup's file, as its folder shows it."""

    @pytest.mark.parametrize(
        ("wrong", "folder", "stands"),
        [
            (done(checks=(BAD,), backup=FILE), FolderEvidence(frozenset({FILE}), {}, TOMORROW), True),
            (done(checks=(BAD,), backup=FILE), FolderEvidence(frozenset(), {}, None), True),
            (done(checks=(BAD,), backup=FILE), FolderEvidence(frozenset(), {}, YESTERDAY), True),
            (done(checks=(BAD,), backup=FILE), FolderEvidence(frozenset(), {}, TODAY), False),
            (
                done(checks=(BAD,), backup=FILE),
                FolderEvidence(frozenset({FILE}), {FILE: NOON + timedelta(hours=1)}, TODAY),
                False,
            ),
            (
                done(checks=(BAD,), backup=FILE),
                FolderEvidence(frozenset({FILE}), {FILE: NOON - timedelta(hours=1)}, TODAY),
                True,
            ),
            (
                done(checks=(ODD,), backup=FILE),
                FolderEvidence(frozenset({FILE}), {FILE: NOON + timedelta(hours=1)}, TODAY),
                True,
            ),
            (done(checks=(ODD,)), FolderEvidence(frozenset(), {}, TODAY), True),
        ],
    )
    def test_resolves_what_is_proven_or_gone(
        self, wrong: EndedRun, folder: FolderEvidence, stands: bool
    ) -> None:
        standing = run_outcomes.findings_after({}, wrong)
        found = run_evidence.resolved_by_folders(standing, {PROD: folder})
        assert bool(found["run:prod_backup"]) is stands
        assert run_evidence.resolved_by_folders(standing, {DEV: folder}) == standing


class TestWhatIsPast:
    def aged(self, one: EndedRun, edge: date, now: datetime = NOON) -> list[Finding]:
        found = run_outcomes.without_expired(run_outcomes.findings_after({}, one), {PROD: edge})
        old = run_outcomes.outdated(found, now)
        return [finding for findings in found.values() for finding in findings if finding not in old]

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
