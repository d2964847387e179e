"""Runs a job in this process, for a person at a terminal: the same job, in the same Dagster storage."""

import os
from collections.abc import Sequence
from datetime import date

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.adapters.system.process import kill_all
from ledgerflow_ops.core.finished_run import INTERRUPTION, Failure, FinishedRun
from ledgerflow_ops.core.operation_requests import Request
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.names import DRILL, asset_key, job_name
from ledgerflow_ops.defs.run_config import run_config
from ledgerflow_ops.defs.runs.run_context import HOST, TERMINAL, TRIGGER, WHO, WHY
from ledgerflow_ops.defs.runs.run_origin import origin_of_job
from ledgerflow_ops.defs.runs.run_results import checks_of, failure_of
from ledgerflow_ops.defs.timing import TERMINAL_TIMING
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.places import PACKAGE, WORKSPACE

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Turns off Dagster's console log: the run logs to its event log, the terminal has its own reporter."""


def run_job(
    env: EnvironmentContext, request: Request, day: date | None = None, *, assets: Sequence[str] = ()
) -> FinishedRun:
    """Run the environment's job for the request's verb; returns when it has finished.

    `day` is the run's partition, None for a job without partitions. `assets` limits the run to these assets
    of the environment; empty means all assets of the job. A failed run raises nothing: its failure is in the
    result.
    """
    ctx = env.ctx
    _set_dagster_variables(env)
    definitions = build_definitions(ctx.settings, ctx.reporter, [env.environment], TERMINAL_TIMING)
    with dg.DagsterInstance.get() as dagster:
        job = definitions.resolve_job_def(job_name(env, request.verb))
        run = _create_run(dagster, env, job, request, day, assets)
        events = execute_run(InMemoryJob(job), run, dagster).all_events
    failure = failure_of(events)
    if failure == INTERRUPTION:
        kill_all()
        if minutes := deadline.expired_minutes():
            failure = Failure(*deadline.deadline_message(minutes), exit_code=1)
    return FinishedRun(run.run_id, checks_of(events), failure)


def _create_run(
    dagster: dg.DagsterInstance,
    env: EnvironmentContext,
    job: dg.JobDefinition,
    request: Request,
    day: date | None,
    assets: Sequence[str],
) -> dg.DagsterRun:
    """The run, as the web page would create it, so that the page lists it and can re-execute it.

    `JobDefinition.execute_in_process` would create a run without an origin.
    """
    remote, code = origin_of_job(WORKSPACE, job.name)
    return dagster.create_run_for_job(
        job,
        run_config=_QUIET | run_config(env, request),
        asset_selection={asset_key(env, name) for name in assets} or None,
        tags={
            **job.run_tags,
            # Not `partition_key`: Dagster refuses it for a job that consists only of checks.
            **({"dagster/partition": day.isoformat()} if day else {}),
            WHO: env.ctx.run.who,
            WHY: env.ctx.run.why or "by hand",
            HOST: dagster_home.host_name(),
            TRIGGER: TERMINAL,
        },
        remote_job_origin=remote,
        job_code_origin=code,
    )


def _set_dagster_variables(env: EnvironmentContext) -> None:
    """Set the environment variables by which Dagster finds its instance; starts the embedded PostgreSQL."""
    settings = env.ctx.settings
    url = dagster_storage(settings).sqlalchemy_url()
    os.environ.update(dagster_home.dagster_variables(settings.state_dir, PACKAGE, url))


def drilled_days(env: EnvironmentContext) -> set[str]:
    """The days (as 2026-11-23) whose drill asset is materialized in Dagster's storage."""
    _set_dagster_variables(env)
    with dg.DagsterInstance.get() as dagster:
        return dagster.get_materialized_partitions(asset_key(env, DRILL))


def displayed_days(env: EnvironmentContext) -> list[date]:
    """The days that have a partition, oldest first."""
    return [date.fromisoformat(day) for day in backup_days(env).get_partition_keys()]
