"""The findings that an ended run leaves, and the earlier findings that it resolves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import NO_HINT, Hint, make

BACKUP, DRILL, VERIFY = "backup", "drill", "verify"
_ABOUT_BACKUPS = (BACKUP, DRILL, VERIFY)
_AT_MOST = timedelta(days=7)
"""How long a finding stays that belongs to no day and was not tried again."""
_REFUSED = (2, 3)

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

    `checks` are its results, `missing` the checks that it should have run and did not. `by_hand`: it was
    started at a terminal, where a person saw how it ended. `exit_code`, `message` and `hint` describe a
    failure.
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

    @property
    def source(self) -> str:
        """The source of its alerts."""
        return f"run:{self.environment}_{self.verb}" if self.environment else f"run:{self.verb}"

    @property
    def title(self) -> str:
        """The run as people read it: `dev backup of 2026-11-23`."""
        of = f" of {self.day}" if self.day else ""
        return f"{self.environment or 'shared'} {self.verb}{of}"


def findings_after(open_findings: OpenFindings, run: EndedRun) -> dict[str, list[Finding]]:
    """The findings after this run; runs are passed in the order in which they ended.

    A successful run resolves the findings of earlier runs of its kind and day. A backup also resolves those
    of the backups of earlier days, and those of drills and verifications of its own day. A run at a terminal
    that was refused or interrupted, or a restore that failed there, leaves no finding: a person saw it.
    """
    if run.fate is not RunResult.SUCCESS and run.by_hand and _was_seen(run):
        return {source: list(findings) for source, findings in open_findings.items()}
    succeeded = run.fate is RunResult.SUCCESS
    left = {
        source: [
            finding for finding in findings if not _superseded(source, finding, run, succeeded=succeeded)
        ]
        for source, findings in open_findings.items()
    }
    left[run.source] = [*left.get(run.source, []), *_findings(run)]
    return left


def without_expired(
    open_findings: OpenFindings, edges: Mapping[Environment, date], now: datetime
) -> dict[str, list[Finding]]:
    """The findings without old ones and those of days before the environment's first partition (`edges`)."""
    return {
        source: [finding for finding in findings if not _is_past(finding, edges, now)]
        for source, findings in open_findings.items()
    }


def _was_seen(run: EndedRun) -> bool:
    return run.fate is RunResult.CANCELED or run.verb not in _ABOUT_BACKUPS or run.exit_code in _REFUSED


def _superseded(source: str, finding: Finding, run: EndedRun, *, succeeded: bool) -> bool:
    """Whether the run replaces or resolves the finding."""
    day = _day(finding)
    if source == run.source:
        return day == run.day or (succeeded and run.verb == BACKUP and _earlier(day, run.day))
    own = {f"run:{run.environment}_{verb}" for verb in (DRILL, VERIFY)}
    return succeeded and run.verb == BACKUP and source in own and day == run.day


def _earlier(day: date | None, other: date | None) -> bool:
    return day is None or (other is not None and day <= other)


def _is_past(finding: Finding, edges: Mapping[Environment, date], now: datetime) -> bool:
    day = _day(finding)
    if day is None:
        return now - datetime.fromisoformat(str(finding.figures["ended"])) > _AT_MOST
    edge = edges.get(finding.environment) if finding.environment else None
    return edge is not None and day < edge


def _day(finding: Finding) -> date | None:
    day = finding.figures.get("day")
    return date.fromisoformat(str(day)) if day else None


def _findings(run: EndedRun) -> list[Finding]:
    """The findings of a run: its failed checks, those it did not run, and its own failure."""
    findings = [_check(run, check) for check in run.checks if not check.passed]
    judged = any(check.fatal for check in run.checks)
    if run.fate is RunResult.SUCCESS:
        findings += [_missing(run, name) for name in run.missing]
    elif not judged:
        findings.append(_failure(run))
    if len(findings) > 1:
        findings = [replace(finding, cause=f"The run {run.title} has findings.") for finding in findings]
    return findings


def _check(run: EndedRun, check: Check) -> Finding:
    level = Level.CRITICAL if check.fatal else Level.WARNING
    text = f"The check {check.name} of {run.title} failed: {check.message}"
    return _finding(run, "check failed", check.name, level, text, check.hint)


def _missing(run: EndedRun, name: str) -> Finding:
    text = f"The check {name} of {run.title} did not run, although the run succeeded."
    return _finding(run, "check missing", name, Level.CRITICAL, text, _retry_hint(run))


def _failure(run: EndedRun) -> Finding:
    if run.fate is RunResult.CANCELED:
        text = f"The run {run.title} was canceled."
        return _finding(run, "run canceled", "", Level.WARNING, text, run.hint or _retry_hint(run))
    harmless = run.exit_code in _REFUSED or run.environment is None
    level = Level.WARNING if harmless else Level.CRITICAL
    text = f"The run {run.title} failed: {run.message}"
    return _finding(run, "run failed", "", level, text, run.hint or _retry_hint(run))


def _finding(run: EndedRun, kind: str, what: str, level: Level, text: str, hint: Hint) -> Finding:
    subject = " ".join(part for part in (run.verb, str(run.day or ""), what) if part)
    figures = {"ended": run.at.isoformat(), **({"day": run.day.isoformat()} if run.day else {})}
    return Finding(run.environment, kind, subject, level, text, hint, run_id=run.run_id, figures=figures)


def _retry_hint(run: EndedRun) -> Hint:
    if run.environment and run.verb == BACKUP:
        return Hint(make("backup"))
    if run.environment and run.verb == DRILL:
        return Hint(make("restore-test", FILE=run.day) if run.day else make("restore-test"))
    return Hint(make("up"), "; then open the run in the web page")


def changed_sources(before: OpenFindings, now: OpenFindings) -> Iterable[str]:
    """The sources whose findings differ from before."""
    return [source for source in now if list(before.get(source, [])) != list(now[source])]
