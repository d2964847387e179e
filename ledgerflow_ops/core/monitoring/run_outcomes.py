"""The findings that an ended run leaves. What resolves earlier ones is decided by `run_evidence`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.alerting.root_cause import BACKFILL, BACKUP_FILE, DAY, is_of_machine
from ledgerflow_ops.core.archive.copies import COPIED, SETTINGS
from ledgerflow_ops.core.catalog.proof import INCOMPLETE, SOURCE
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.monitoring import run_evidence
from ledgerflow_ops.core.monitoring.run_evidence import (
    ARCHIVE,
    BACKUP,
    CANCELED,
    CHECK,
    DRILL,
    ENDED,
    FAILED,
    FAILED_CHECK,
    MISSING_CHECK,
    NOT_REACHED,
    VERIFY,
    RunEvidence,
)

_ABOUT_BACKUPS = (BACKUP, DRILL, VERIFY)
_AT_MOST = timedelta(days=7)
"""How long a finding stays that belongs to no day and was not tried again."""
_REFUSED = (2, 3)
_OF_THE_BYTES = ("exists", "size", "integrity", "sealed", "restorable")
"""Checks that no change elsewhere lets pass: a backup that fails one is replaced."""

OpenFindings = Mapping[str, Sequence[Finding]]
"""The findings that the last runs left, by source."""


class RunResult(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended. `verb` is what it did; without an environment it is the job's name.

    `checks` are its results, `missing` the checks that it should have run and did not. `backup` is the file
    that they are about, empty where there is none. `backfill` is the id of the backfill that the run belongs
    to. `by_hand`: it was started at a terminal, where a person saw how it ended. `exit_code`, `message` and
    `hint` describe a failure. A rolling drill is one such run for each backup that it restored, and one for
    itself.
    """

    run_id: str
    environment: Environment | None
    verb: str
    day: date | None
    fate: RunResult
    at: datetime
    checks: tuple[Check, ...] = ()
    missing: tuple[str, ...] = ()
    by_hand: bool = False
    message: str = ""
    hint: Hint = NO_HINT
    exit_code: int = 1
    backup: str = ""
    backfill: str = ""

    @property
    def source(self) -> str:
        """The source of its alerts."""
        return self.evidence.source

    @property
    def title(self) -> str:
        """The run as people read it: `dev backup of 2026-11-23`."""
        of = f" of {self.day}" if self.day else ""
        return f"{self.environment or 'shared'} {self.verb}{of}"

    @property
    def evidence(self) -> RunEvidence:
        """What it has shown. A check that was not reached was not judged."""
        judged = {check.name: check.passed for check in self.checks if check.cause != NOT_REACHED}
        succeeded = self.fate is RunResult.SUCCESS
        return RunEvidence(self.environment, self.verb, self.day, self.backup, judged, succeeded)


def findings_after(open_findings: OpenFindings, run: EndedRun) -> dict[str, list[Finding]]:
    """The findings after this run; runs are passed in the order in which they ended.

    Findings that the run is evidence against are resolved, and those that it has again are replaced. A run at
    a terminal that was refused or interrupted, or a restore that failed there, leaves no finding: a person
    saw it.
    """
    left = {
        source: [finding for finding in findings if not run_evidence.resolves(run.evidence, source, finding)]
        for source, findings in open_findings.items()
    }
    if run.fate is not RunResult.SUCCESS and run.by_hand and _was_seen(run):
        return left
    before = left.get(run.source, [])
    left[run.source] = _merged(before, _findings(run))
    return left


def without_expired(
    open_findings: OpenFindings, edges: Mapping[Environment, date]
) -> dict[str, list[Finding]]:
    """The findings without those of days before the environment's first partition (`edges`).

    The window moves only with a newer proven backup, so that is evidence.
    """
    return {
        source: [finding for finding in findings if not _before_edge(finding, edges)]
        for source, findings in open_findings.items()
    }


def outdated(open_findings: OpenFindings, now: datetime) -> list[Finding]:
    """The findings without a day that nothing has looked at for a week: they are dropped, not resolved."""
    return [
        finding for findings in open_findings.values() for finding in findings if _is_outdated(finding, now)
    ]


def _was_seen(run: EndedRun) -> bool:
    return run.fate is RunResult.CANCELED or run.verb not in _ABOUT_BACKUPS or run.exit_code in _REFUSED


def _merged(before: Sequence[Finding], new: Sequence[Finding]) -> list[Finding]:
    """The findings of a source with new ones, which replace those of the same key.

    A cancellation says nothing of an earlier failure, which stays in its place. A failure never becomes less
    severe by another one.
    """
    failed = {finding.subject for finding in before if finding.kind == FAILED}
    added = [finding for finding in new if finding.kind != CANCELED or finding.subject not in failed]
    severe = {finding.key for finding in before if finding.kind == FAILED and finding.level is Level.CRITICAL}
    added = [
        replace(finding, level=Level.CRITICAL) if finding.key in severe else finding for finding in added
    ]
    replaced = {finding.key for finding in added}
    ended = {finding.subject for finding in added if finding.kind == FAILED}
    kept = [
        finding
        for finding in before
        if finding.key not in replaced and not (finding.kind == CANCELED and finding.subject in ended)
    ]
    return [*kept, *added]


def _before_edge(finding: Finding, edges: Mapping[Environment, date]) -> bool:
    day, edge = run_evidence.day_of(finding), edges.get(finding.environment) if finding.environment else None
    return day is not None and edge is not None and day < edge


def _is_outdated(finding: Finding, now: datetime) -> bool:
    return run_evidence.day_of(finding) is None and now - run_evidence.ended(finding) > _AT_MOST


def _findings(run: EndedRun) -> list[Finding]:
    """The findings of a run: its failed checks, those it did not run, and its own failure.

    Checks that were not reached because another one failed are no findings of their own.
    """
    fatal = [check for check in run.checks if check.fatal]
    explained = any(check.cause != NOT_REACHED for check in fatal)
    findings = [
        _check(run, check)
        for check in run.checks
        if not check.passed and not (explained and check.cause == NOT_REACHED)
    ]
    if run.verb == ARCHIVE:
        findings = _of_copies(run)
    if run.fate is RunResult.SUCCESS:
        findings += [_missing(run, name) for name in run.missing]
    elif not fatal and not (run.verb == ARCHIVE and findings):
        findings.append(_failure(run))
    if len(findings) > 1:
        cause = f"The run {run.title} has findings."
        findings = [item if is_of_machine(item) else replace(item, cause=cause) for item in findings]
    return findings


def _of_copies(run: EndedRun) -> list[Finding]:
    """The findings of a backup's copies. They have one cause, whichever days and locations they are about.

    A rule that no location of the settings could meet is doctor's to report, and one that fails because a
    copy is missing is said with that copy.
    """
    failed = [check for check in run.checks if not check.passed and check.cause != SETTINGS]
    told = [check for check in failed if check.name == COPIED] or failed
    cause = f"Copies of {run.environment} in archive locations are missing."
    return [replace(_check(run, check), cause=cause) for check in told]


def _check(run: EndedRun, check: Check) -> Finding:
    level = Level.CRITICAL if check.fatal else Level.WARNING
    text = f"The check {check.name} of {run.title} failed: {check.message}"
    figures = {CHECK: check.name, "cause": check.cause}
    damaged = check.fatal and check.name in _OF_THE_BYTES and check.cause not in (SOURCE, INCOMPLETE)
    hint = _quarantine_hint(run) if damaged and run.backup else check.hint
    return _finding(run, FAILED_CHECK, check.name, level, text, hint, figures)


def _missing(run: EndedRun, name: str) -> Finding:
    text = f"The check {name} of {run.title} did not run, although the run succeeded."
    return _finding(run, MISSING_CHECK, name, Level.CRITICAL, text, _retry_hint(run), {CHECK: name})


def _failure(run: EndedRun) -> Finding:
    if run.fate is RunResult.CANCELED:
        text = f"The run {run.title} was canceled."
        return _finding(run, CANCELED, "", Level.WARNING, text, run.hint or _retry_hint(run))
    refused = run.exit_code in _REFUSED
    minor = refused or run.environment is None or run.verb == ARCHIVE
    level = Level.WARNING if minor else Level.CRITICAL
    text = f"The run {run.title} failed: {run.message}"
    figures = {BACKFILL: run.backfill} if run.backfill and refused else {}
    return _finding(run, FAILED, "", level, text, run.hint or _retry_hint(run), figures)


def _finding(
    run: EndedRun,
    kind: str,
    what: str,
    level: Level,
    text: str,
    hint: Hint,
    more: Mapping[str, str] | None = None,
) -> Finding:
    subject = " ".join(part for part in (run.verb, str(run.day or ""), what) if part)
    figures = {
        ENDED: run.at.isoformat(),
        DAY: run.day.isoformat() if run.day else "",
        BACKUP_FILE: run.backup,
        **(more or {}),
    }
    known = {name: value for name, value in figures.items() if value}
    return Finding(run.environment, kind, subject, level, text, hint, run_id=run.run_id, figures=known)


def _quarantine_hint(run: EndedRun) -> Hint:
    """What to do about a bad file: another backup, then the bad one out of the way."""
    return Hint(make("backup"), "; once that is proven: ", make("quarantine", FILE=run.backup))


def _retry_hint(run: EndedRun) -> Hint:
    if run.environment and run.verb == BACKUP:
        return Hint(make("backup"))
    if run.environment and run.verb == ARCHIVE:
        return Hint(make("archive"))
    if run.environment and run.verb == DRILL:
        return Hint(make("restore-test", FILE=run.day) if run.day else make("restore-test"))
    return Hint(make("up"), "; then open the run in the web page")


def changed_sources(before: OpenFindings, now: OpenFindings) -> Iterable[str]:
    """The sources whose findings differ from before."""
    return [source for source in now if list(before.get(source, [])) != list(now[source])]
