"""What became of a run, read from its events."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.finished_run import INTERRUPTION, Failure
from ledgerflow_ops.core.hints import NO_HINT, Hint, make

INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""What Ctrl-C or a request to end has become by the time it is on a run's record."""


def checks_of(events: Sequence[dg.DagsterEvent]) -> tuple[Check, ...]:
    """The verdicts among the events; of a check that was asked again, the last one."""
    found = [event.asset_check_evaluation_data for event in events if _is_evaluation(event)]
    evaluations = {one.asset_check_key: one for one in found}.values()
    return tuple(
        Check(
            name=found.check_name,
            passed=found.passed,
            message=found.description or "",
            hint=_hint(found.metadata) or (NO_HINT if found.passed else Hint("See the run in the UI.")),
            severity=Severity(found.severity.value),
            cause=_text(found.metadata, "cause"),
        )
        for found in evaluations
    )


def missing_checks(events: Sequence[dg.DagsterEvent]) -> tuple[str, ...]:
    """The checks that were planned and of which there is no verdict."""
    planned = [
        event.asset_check_planned_data.asset_check_key
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    ]
    judged = {event.asset_check_evaluation_data.asset_check_key for event in events if _is_evaluation(event)}
    return tuple(dict.fromkeys(key.name for key in planned if key not in judged))


def failure_of(events: Sequence[dg.DagsterEvent]) -> Failure | None:
    """The first failure that an operation put on record; else a failed check; else Dagster's own words."""
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
        return Failure(
            _innermost(error), Hint("The run's log in the UI has the whole story: ", make("up")), 1
        )
    return None


def has_failed(run: dg.DagsterRun, events: Sequence[dg.DagsterEvent]) -> bool:
    """Whether a run failed, by its status and its events.

    Dagster notes of one that takes too long that it failed, at once and whether it has ended or not; the run
    may note after that that it was canceled. Only what is nothing but canceled was a person's will.
    """
    if run.status is dg.DagsterRunStatus.CANCELED:
        return any(event.event_type is dg.DagsterEventType.RUN_FAILURE for event in events)
    return run.status is dg.DagsterRunStatus.FAILURE


def _is_evaluation(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _innermost(error: Any) -> str:
    """The message of the error that began it."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error else "The run failed."


def _hint(metadata: Mapping[str, Any]) -> Hint:
    """The hint that is on record, as words."""
    return Hint(_text(metadata, "hint"))


def _text(metadata: Mapping[str, Any], name: str) -> str:
    return str(metadata[name].value) if name in metadata else ""
