"""Runs a job in this process, for a person at a terminal: the same job, on the same record."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.adapters.system.process import end_all
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.runs.run_context import HOST, TERMINAL, TRIGGER, WHO, WHY
from ledgerflow_ops.defs.runs.run_results import INTERRUPTION, Failure, checks_of, failure_of
from ledgerflow_ops.defs.timing import BY_HAND
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import storage
from ledgerflow_ops.places import PROJECT

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's words go to its event log; the terminal has its own reporter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: its id, its verdicts, and why it failed if it did."""

    run_id: str
    checks: tuple[Check, ...]
    failure: Failure | None


def run(
    env: EnvironmentContext,
    job: str,
    day: date | None,
    *,
    config: Mapping[str, Any],
    assets: Sequence[dg.AssetKey] | None = None,
) -> Outcome:
    """Carry out the environment's `job` for `day` (None: it has no day), limited to `assets` if given.

    `config` maps steps to their settings.
    """
    ctx = env.ctx
    _lead_to(env)
    definitions = build_definitions(ctx.settings, ctx.reporter, [env.environment], BY_HAND)
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
                WHO: ctx.run.who,
                WHY: ctx.run.why or "by hand",
                HOST: dagster_home.host(),
                TRIGGER: TERMINAL,
            },
            raise_on_error=False,
        )
    failure = failure_of(finished.all_events)
    if failure == INTERRUPTION:
        end_all()
        if minutes := deadline.passed():
            failure = Failure(*deadline.words(minutes), exit_code=1)
    return Outcome(finished.run_id, checks_of(finished.all_events), failure)


def _lead_to(env: EnvironmentContext) -> None:
    """Let Dagster find its instance."""
    settings = env.ctx.settings
    os.environ.update(dagster_home.variables(settings.state_dir, PROJECT, storage(settings).sqlalchemy_url()))


def on_record(env: EnvironmentContext, asset: dg.AssetKey) -> set[str]:
    """The partitions of an asset that Dagster has as materialized."""
    _lead_to(env)
    with dg.DagsterInstance.get() as dagster:
        return dagster.get_materialized_partitions(asset)


def in_window(env: EnvironmentContext, day: date) -> bool:
    """Whether Dagster keeps a record of this day."""
    return day.isoformat() in set(backup_days(env).get_partition_keys())
