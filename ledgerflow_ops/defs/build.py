"""Puts the definitions together from the settings."""

from collections.abc import Callable, Iterable
from datetime import datetime

import dagster as dg

from ledgerflow_ops.adapters import clock as clocks
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, Silent
from ledgerflow_ops.defs.asset_checks import dump_checks, fresh_check
from ledgerflow_ops.defs.assets import database_asset, drill_asset, dump_asset
from ledgerflow_ops.defs.catalog_asset import catalog_asset
from ledgerflow_ops.defs.coverage import coverage_asset
from ledgerflow_ops.defs.history import history_job
from ledgerflow_ops.defs.jobs import jobs
from ledgerflow_ops.defs.orphans import orphans
from ledgerflow_ops.defs.partitions import backup_days
from ledgerflow_ops.defs.report_asset import report_asset
from ledgerflow_ops.defs.restoring import incident_asset, restoring_jobs
from ledgerflow_ops.defs.rotation import rotation_asset, rotation_job
from ledgerflow_ops.defs.schedules import schedules, tidying
from ledgerflow_ops.defs.sensors import sensors
from ledgerflow_ops.defs.timing import SERVED, Timing
from ledgerflow_ops.operations.desk import Desk, Site


def build_definitions(
    settings: Settings,
    reporter: Reporter | None = None,
    environments: Iterable[Environment] = Environment,
    timing: Timing = SERVED,
    clock: Callable[[], datetime] = clocks.now,
) -> dg.Definitions:
    """Everything Dagster knows of these environments.

    `reporter` hears what operations say, besides the run's log. `clock` is what schedules go by.
    """
    desk = Desk(settings, reporter or Silent(), clock)
    sites = [desk.site(environment) for environment in environments]
    days = {site.environment: backup_days(site) for site in sites}
    own = {site.environment: [*jobs(site), rotation_job(site)] for site in sites}
    history = history_job(desk)
    served = [schedules(site, own[site.environment], timing) for site in sites if site.settings.is_scheduled]
    return dg.Definitions(
        assets=[
            *(asset for site in sites for asset in _chain(site, days[site.environment], timing)),
            catalog_asset(sites),
            report_asset(desk),
        ],
        asset_checks=[
            *(dump_checks(site, days[site.environment]) for site in sites),
            *(fresh_check(site) for site in sites),
        ],
        jobs=[
            *(job for site in sites for job in (*own[site.environment], *restoring_jobs(site))),
            dg.define_asset_job("catalog_job", dg.AssetSelection.assets("catalog")),
            dg.define_asset_job("report_job", dg.AssetSelection.assets("report")),
            history,
        ],
        schedules=[*(daily for daily, _ in served), tidying(history)],
        sensors=[
            *(night for _, night in served),
            orphans(timing),
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.assets("catalog", "report"),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=30,
            ),
            *sensors(sites),
        ],
        executor=dg.in_process_executor,
    )


def _chain(
    site: Site, days: dg.PartitionsDefinition, timing: Timing
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    own = [dump_asset(site, days, timing), drill_asset(site, days, timing), coverage_asset(site, days)]
    return [database_asset(site), *own, rotation_asset(site), incident_asset(site)]
