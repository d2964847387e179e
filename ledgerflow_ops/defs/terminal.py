"""Runs a job in this process, for a person at a terminal: the same job, on the same record."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from ledgerflow_ops.adapters import instance
from ledgerflow_ops.adapters.process import end_all
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.partitions import backup_days
from ledgerflow_ops.defs.runs import HOST, INTERRUPTED, WHO, WHY
from ledgerflow_ops.defs.timing import BY_HAND
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.embedded import storage
from ledgerflow_ops.places import PROJECT

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's words go to its event log; the terminal has its own reporter."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, as the operation put it on record."""

    message: str
    hint: str
    exit_code: int


INTERRUPTION = Failure("Interrupted.", "Nothing half-done was kept. Run it again.", 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: its id, its verdicts, and why it failed if it did."""

    run_id: str
    checks: tuple[Check, ...]
    failure: Failure | None


def run(
    site: Site,
    job: str,
    day: date | None,
    *,
    config: Mapping[str, Any],
    assets: Sequence[dg.AssetKey] | None = None,
) -> Outcome:
    """Carry out the environment's `job` for `day` (None: it has no day), limited to `assets` if given.

    `config` maps steps to their settings.
    """
    desk = site.desk
    _lead_to(site)
    definitions = build_definitions(desk.settings, desk.reporter, [site.environment], BY_HAND)
    steps = {step: {"config": dict(settings)} for step, settings in config.items()}
    with dg.DagsterInstance.get() as dagster:
        # Keep connections open, as the web page's process does: a run asks the storage 150 times.
        dagster.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=5)
        finished = definitions.resolve_job_def(job).execute_in_process(
            instance=dagster,
            run_config={**_QUIET, "ops": steps},
            asset_selection=list(assets) if assets else None,
            tags={
                # Not `partition_key`: a job that consists of checks alone does not take one.
                **({"dagster/partition": day.isoformat()} if day else {}),
                WHO: desk.run.who,
                WHY: desk.run.why or "by hand",
                HOST: instance.host(),
                "ledgerflow/trigger": "terminal",
            },
            raise_on_error=False,
        )
    failure = _failure(finished.all_events)
    if failure == INTERRUPTION:
        end_all()
    return Outcome(finished.run_id, _checks(finished.all_events), failure)


def _lead_to(site: Site) -> None:
    """Let Dagster find its instance."""
    settings = site.desk.settings
    os.environ.update(instance.variables(settings.state_dir, PROJECT, storage(settings)))


def on_record(site: Site, asset: dg.AssetKey) -> set[str]:
    """The partitions of an asset that Dagster has as materialized."""
    _lead_to(site)
    with dg.DagsterInstance.get() as dagster:
        return dagster.get_materialized_partitions(asset)


def in_window(site: Site, day: date) -> bool:
    """Whether Dagster keeps a record of this day."""
    return day.isoformat() in set(backup_days(site).get_partition_keys())


def _checks(events: Sequence[dg.DagsterEvent]) -> tuple[Check, ...]:
    evaluations = [event.asset_check_evaluation_data for event in events if _is_evaluation(event)]
    return tuple(
        Check(
            name=found.check_name,
            passed=found.passed,
            message=found.description or "",
            hint=_text(found.metadata, "hint") or ("" if found.passed else "See the run in the UI."),
            severity=Severity(found.severity.value),
            cause=_text(found.metadata, "cause"),
        )
        for found in evaluations
    )


def _is_evaluation(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _failure(events: Sequence[dg.DagsterEvent]) -> Failure | None:
    """The first failure that an operation put on record; else a failed check; else Dagster's own words."""
    failed = [event for event in events if event.is_step_failure]
    for event in failed:
        data = event.step_failure_data.user_failure_data
        if data and "exit_code" in data.metadata:
            code = int(str(data.metadata["exit_code"].value))
            return Failure(data.description or "", _text(data.metadata, "hint"), code)
    for check in _checks(events):
        if check.fatal:
            return Failure(check.message, check.hint, 4)
    for event in failed:
        error = event.step_failure_data.error
        if error and error.cls_name in INTERRUPTED:
            return INTERRUPTION
        return Failure(_innermost(error), "The run's log in the UI has the whole story: make up.", 1)
    return None


def _innermost(error: Any) -> str:
    """The message of the error that began it."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error else "The run failed."


def _text(metadata: Mapping[str, Any], name: str) -> str:
    return str(metadata[name].value) if name in metadata else ""
