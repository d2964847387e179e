"""Builds Dagster's definitions from the settings."""

import warnings
from collections.abc import Callable, Iterable
from datetime import datetime

import dagster as dg

from ledgerflow_ops.adapters.system import clock as clocks
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Make
from ledgerflow_ops.core.operation_requests import VerifyRequest
from ledgerflow_ops.core.progress import Reporter, SilentReporter
from ledgerflow_ops.defs.assets.archive_asset import archive_asset
from ledgerflow_ops.defs.assets.backup_chain import database_asset, drill_asset, dump_asset
from ledgerflow_ops.defs.assets.catalog_asset import catalog_asset
from ledgerflow_ops.defs.assets.drill_coverage import coverage_asset
from ledgerflow_ops.defs.assets.dump_checks import (
    dump_checks,
    fresh_check,
    history_check,
    key_survival_check,
)
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.assets.report_asset import report_asset
from ledgerflow_ops.defs.assets.rotation import rotation_asset, rotation_job
from ledgerflow_ops.defs.automation.lost_runs import lost_runs_sensor
from ledgerflow_ops.defs.automation.schedules import (
    Job,
    audit_schedule,
    history_schedule,
    key_drill_schedule,
    schedule_and_sensor,
)
from ledgerflow_ops.defs.automation.sensors import sensors
from ledgerflow_ops.defs.descriptions import described
from ledgerflow_ops.defs.jobs.examine_job import examine_jobs
from ledgerflow_ops.defs.jobs.history_cleanup import history_job
from ledgerflow_ops.defs.jobs.jobs import catalog_job, jobs, report_job
from ledgerflow_ops.defs.jobs.restore_jobs import incident_asset, restore_jobs
from ledgerflow_ops.defs.names import REPORT, job_name
from ledgerflow_ops.defs.timing import SERVER_TIMING, Timing
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.places import IN_CLONE

# Owners and code references are beta in Dagster. It warns of that for each job and asset, also when a job is
# resolved later; the version of Dagster is locked.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def build_definitions(
    settings: Settings,
    reporter: Reporter | None = None,
    environments: Iterable[Environment] = Environment,
    timing: Timing = SERVER_TIMING,
    clock: Callable[[], datetime] = clocks.now,
) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors of these environments.

    `reporter` receives the progress of operations in addition to the run's log. Schedules and sensors read
    the time from `clock`, which returns an instant in UTC.
    """
    Make.by_program = not IN_CLONE
    ctx = OperationContext(settings, reporter or SilentReporter(), clock)
    envs = [ctx.env(environment) for environment in environments]
    days = {env.environment: backup_days(env) for env in envs}
    own = {env.environment: [*jobs(env), rotation_job(env)] for env in envs}
    history, catalog = history_job(ctx), catalog_job()
    served = [
        schedule_and_sensor(env, own[env.environment], timing) for env in envs if env.settings.is_scheduled
    ]
    return dg.Definitions(
        assets=described(
            [
                *(asset for env in envs for asset in _chain(env, days[env.environment], timing)),
                catalog_asset(envs),
                report_asset(ctx),
            ]
        ),
        asset_checks=[
            *(dump_checks(env, days[env.environment]) for env in envs),
            *(check(env) for env in envs for check in (fresh_check, history_check)),
            *(key_survival_check(env) for env in envs if env.settings.has_escrow),
        ],
        jobs=[
            *(job for env in envs for job in (*own[env.environment], *restore_jobs(env), *examine_jobs(env))),
            catalog,
            report_job(),
            history,
        ],
        schedules=[
            *(daily for daily, _ in served),
            *(audit_schedule(env, own[env.environment]) for env in envs if env.settings.is_scheduled),
            *(
                key_drill_schedule(env, own[env.environment])
                for env in envs
                if env.settings.is_scheduled and env.settings.has_escrow
            ),
            history_schedule(history),
        ],
        sensors=[
            *(night for _, night in served),
            lost_runs_sensor(timing),
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.assets(REPORT),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=30,
                description="Has the report written when the catalog has changed, and every six hours.",
            ),
            *sensors(envs, {env.environment: [*_verify(env, own[env.environment]), catalog] for env in envs}),
        ],
        executor=dg.in_process_executor,
    )


def _verify(env: EnvironmentContext, own: Iterable[Job]) -> list[Job]:
    """The one of an environment's jobs that its watch requests."""
    return [job for job in own if job.name == job_name(env, VerifyRequest.verb)]


def _chain(
    env: EnvironmentContext, days: dg.PartitionsDefinition, timing: Timing
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    own = [dump_asset(env, days, timing), drill_asset(env, days, timing), coverage_asset(env)]
    if env.ctx.settings.locations_of(env.environment):
        own.append(archive_asset(env, days))
    return [database_asset(env), *own, rotation_asset(env), incident_asset(env)]
