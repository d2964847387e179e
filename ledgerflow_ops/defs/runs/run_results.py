"""How a run ended, read from its events: checks, missing checks, failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.finished_run import INTERRUPTION, Failure
from ledgerflow_ops.core.hints import NO_HINT, Hint, make

BACKUP_KEY = "backup"
"""The key in the metadata of a check's result and of a failure: the file of the backup that it is about."""
INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""The errors as which Ctrl-C or a termination request appears in a run's events."""


@dataclass(frozen=True, slots=True)
class JudgedBackup:
    """What checks were about: a backup's file and its day. Runs of earlier versions recorded no file."""

    file: str
    day: str = ""


def judged_backups(events: Sequence[dg.DagsterEvent]) -> dict[JudgedBackup, tuple[Check, ...]]:
    """The check results among the events, by backup; the last one of a check that ran more than once."""
    newest: dict[JudgedBackup, dict[dg.AssetCheckKey, Check]] = {}
    for event in events:
        if _is_evaluation(event):
            result = event.asset_check_evaluation_data
            backup = JudgedBackup(_text(result.metadata, BACKUP_KEY), result.partition or "")
            newest.setdefault(backup, {})[result.asset_check_key] = _check(result)
    return {backup: tuple(checks.values()) for backup, checks in newest.items()}


def checks_of(events: Sequence[dg.DagsterEvent]) -> tuple[Check, ...]:
    """The check results among the events, whichever backup each is about."""
    return tuple(check for checks in judged_backups(events).values() for check in checks)


def backup_file(events: Sequence[dg.DagsterEvent]) -> str:
    """The file of the backup that the run has made or restored, from what it materialized; else empty."""
    made = [
        _text(event.step_materialization_data.materialization.metadata, "file")
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    failed = [
        _text(event.step_failure_data.user_failure_data.metadata, BACKUP_KEY)
        for event in events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    return next((file for file in (*failed, *made) if file), "")


def _check(result: dg.AssetCheckEvaluation) -> Check:
    return Check(
        name=result.check_name,
        passed=result.passed,
        message=result.description or "",
        hint=_hint(result.metadata) or (NO_HINT if result.passed else Hint("See the run in the web page.")),
        severity=Severity(result.severity.value),
        cause=_text(result.metadata, "cause"),
    )


def missing_checks(events: Sequence[dg.DagsterEvent]) -> tuple[str, ...]:
    """The names of the checks that were planned and have no result."""
    planned = [
        event.asset_check_planned_data.asset_check_key
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    ]
    judged = {event.asset_check_evaluation_data.asset_check_key for event in events if _is_evaluation(event)}
    return tuple(dict.fromkeys(key.name for key in planned if key not in judged))


def failure_of(events: Sequence[dg.DagsterEvent]) -> Failure | None:
    """The first failure that an operation recorded; else a failed check; else Dagster's own error."""
    failed = [event for event in events if event.is_step_failure]
    for event in failed:
        data = event.step_failure_data.user_failure_data
        if data and "exit_code" in data.metadata:
            code = int(str(data.metadata["exit_code"].value))
            return Failure(data.description or "", _hint(data.metadata), code)
    for check in checks_of(events):
        if check.fatal:
            return Failure(check.message, check.hint, 4)
    for event in failed:
        error = event.step_failure_data.error
        if error and error.cls_name in INTERRUPTED:
            return INTERRUPTION
        return Failure(_innermost(error), Hint("Read the run's log in the web page: ", make("up")), 1)
    return None


def has_failed(run: dg.DagsterRun, events: Sequence[dg.DagsterEvent]) -> bool:
    """Whether a run failed, by its status and its events.

    At the time limit Dagster records a failure at once, before the run has ended; the run may afterwards
    record that it was canceled. Only a canceled run without a failure event was canceled by a person.
    """
    if run.status is dg.DagsterRunStatus.CANCELED:
        return any(event.event_type is dg.DagsterEventType.RUN_FAILURE for event in events)
    return run.status is dg.DagsterRunStatus.FAILURE


def _is_evaluation(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _innermost(error: Any) -> str:
    """The message of the error at the end of the chain of causes."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error else "The run failed."


def _hint(metadata: Mapping[str, Any]) -> Hint:
    """The recorded hint, as text."""
    return Hint(_text(metadata, "hint"))


def _text(metadata: Mapping[str, Any], name: str) -> str:
    return str(metadata[name].value) if name in metadata else ""
