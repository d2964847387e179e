"""What a run that has ended means for people: what is wrong now, and what is mended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.environments import Environment

BACKUP, DRILL, VERIFY = "backup", "drill", "verify"
_ABOUT_BACKUPS = (BACKUP, DRILL, VERIFY)
_AT_MOST = timedelta(days=7)
"""For so long something stands that belongs to no day, and that nobody tried again."""
_REFUSED = (2, 3)

OpenFindings = Mapping[str, Sequence[Finding]]
"""By source, what its last runs have left."""


class RunResult(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended. `verb` is what it did; without an environment it is the job's name.

    `checks` are its verdicts, `missing` the checks it should have carried out and did not. `by_hand`: it was
    ordered at a terminal, where a person saw how it ended. `exit_code`, `message` and `hint` tell a failure.
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
    hint: str = ""
    exit_code: int = 1

    @property
    def source(self) -> str:
        """Who says it, among the alerts."""
        return f"run:{self.environment}_{self.verb}" if self.environment else f"run:{self.verb}"

    @property
    def title(self) -> str:
        """The run in words."""
        of = f" of {self.day}" if self.day else ""
        return f"{self.environment or 'shared'} {self.verb}{of}"


def findings_after(standing: OpenFindings, run: EndedRun) -> dict[str, list[Finding]]:
    """What stands after this run has ended; runs are taken in the order in which they ended.

    A run that was carried out mends what an earlier one of its kind and day has left; a backup mends what
    those of the days before have left as well, and what drills and verifications of its day have. A person
    at a terminal has seen it when a command was refused or interrupted, or when a restore failed.
    """
    if run.fate is not RunResult.SUCCESS and run.by_hand and _was_seen(run):
        return {source: list(findings) for source, findings in standing.items()}
    mended = run.fate is RunResult.SUCCESS
    left = {
        source: [finding for finding in findings if not _superseded(source, finding, run, mended=mended)]
        for source, findings in standing.items()
    }
    left[run.source] = [*left.get(run.source, []), *_findings(run)]
    return left


def without_expired(
    standing: OpenFindings, edges: Mapping[Environment, date], now: datetime
) -> dict[str, list[Finding]]:
    """What still stands: not what is of a day before the environment's first (`edges`), nor what is old."""
    return {
        source: [finding for finding in findings if not _is_past(finding, edges, now)]
        for source, findings in standing.items()
    }


def _was_seen(run: EndedRun) -> bool:
    return run.fate is RunResult.CANCELED or run.verb not in _ABOUT_BACKUPS or run.exit_code in _REFUSED


def _superseded(source: str, finding: Finding, run: EndedRun, *, mended: bool) -> bool:
    """Whether the run takes the place of what is on record."""
    day = _day(finding)
    if source == run.source:
        return day == run.day or (mended and run.verb == BACKUP and _earlier(day, run.day))
    own = {f"run:{run.environment}_{verb}" for verb in (DRILL, VERIFY)}
    return mended and run.verb == BACKUP and source in own and day == run.day


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
    """What a run leaves: its failed checks, those it did not carry out, and why it failed itself."""
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
    text = f"The check {name} of {run.title} was not carried out, although the run ended well."
    return _finding(run, "check missing", name, Level.CRITICAL, text, _retry_hint(run))


def _failure(run: EndedRun) -> Finding:
    if run.fate is RunResult.CANCELED:
        text = f"The run {run.title} was canceled."
        return _finding(run, "run canceled", "", Level.WARNING, text, run.hint or _retry_hint(run))
    harmless = run.exit_code in _REFUSED or run.environment is None
    level = Level.WARNING if harmless else Level.CRITICAL
    text = f"The run {run.title} failed: {run.message}"
    return _finding(run, "run failed", "", level, text, run.hint or _retry_hint(run))


def _finding(run: EndedRun, kind: str, what: str, level: Level, text: str, hint: str) -> Finding:
    subject = " ".join(part for part in (run.verb, str(run.day or ""), what) if part)
    figures = {"ended": run.at.isoformat(), **({"day": run.day.isoformat()} if run.day else {})}
    return Finding(run.environment, kind, subject, level, text, hint, run_id=run.run_id, figures=figures)


def _retry_hint(run: EndedRun) -> str:
    if run.environment and run.verb in (BACKUP, DRILL):
        command = {BACKUP: "backup", DRILL: "restore-test"}[run.verb]
        of = f" FILE={run.day}" if run.verb == DRILL and run.day else ""
        return f"LEDGER_ENV={run.environment} make {command}{of}"
    return "make up; then look at the run in the web page"


def changed_sources(before: OpenFindings, now: OpenFindings) -> Iterable[str]:
    """The sources that say something else than before."""
    return [source for source in now if list(before.get(source, [])) != list(now[source])]
