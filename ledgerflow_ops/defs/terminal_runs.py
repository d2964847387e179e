"""Runs a job in this process, for a person at a terminal: the same job, on the same record."""

import os
from collections.abc import Sequence
from datetime import date

import dagster as dg

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
from ledgerflow_ops.defs.runs.run_results import checks_of, failure_of
from ledgerflow_ops.defs.timing import BY_HAND
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.places import PROJECT

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's words go to its event log; the terminal has its own reporter."""


def run(
    env: EnvironmentContext, request: Request, day: date | None = None, *, assets: Sequence[str] = ()
) -> FinishedRun:
    """Carry out the request as the environment's job of its verb, for `day` (None: it has no day).

    `assets` names those of the environment's assets that the run is limited to; all of the job's if empty.
    """
    ctx = env.ctx
    _lead_to(env)
    definitions = build_definitions(ctx.settings, ctx.reporter, [env.environment], BY_HAND)
    with dg.DagsterInstance.get() as dagster:
        # Keep connections open, as the web page's process does: a run asks the storage 150 times.
        dagster.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=5)
        finished = definitions.resolve_job_def(job_name(env, request.verb)).execute_in_process(
            instance=dagster,
            run_config=_QUIET | run_config(env, request),
            asset_selection=[asset_key(env, name) for name in assets] or None,
            tags={
                # Not `partition_key`: a job that consists of checks alone does not take one.
                **({"dagster/partition": day.isoformat()} if day else {}),
                WHO: ctx.run.who,
                WHY: ctx.run.why or "by hand",
                HOST: dagster_home.host_name(),
                TRIGGER: TERMINAL,
            },
            raise_on_error=False,
        )
    failure = failure_of(finished.all_events)
    if failure == INTERRUPTION:
        kill_all()
        if minutes := deadline.expired_minutes():
            failure = Failure(*deadline.deadline_message(minutes), exit_code=1)
    return FinishedRun(finished.run_id, checks_of(finished.all_events), failure)


def _lead_to(env: EnvironmentContext) -> None:
    """Let Dagster find its instance."""
    settings = env.ctx.settings
    url = dagster_storage(settings).sqlalchemy_url()
    os.environ.update(dagster_home.dagster_variables(settings.state_dir, PROJECT, url))


def days_drilled(env: EnvironmentContext) -> set[str]:
    """The days, as 2026-11-23, whose drill Dagster has on record as materialized."""
    _lead_to(env)
    with dg.DagsterInstance.get() as dagster:
        return dagster.get_materialized_partitions(asset_key(env, DRILL))


def days_shown(env: EnvironmentContext) -> list[date]:
    """The days that Dagster keeps a record of, the first one first."""
    return [date.fromisoformat(day) for day in backup_days(env).get_partition_keys()]
