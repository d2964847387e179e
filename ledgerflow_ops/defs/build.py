"""Puts the definitions together from the settings."""

from collections.abc import Iterable

import dagster as dg

from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, Silent
from ledgerflow_ops.defs.asset_checks import dump_checks
from ledgerflow_ops.defs.assets import database_asset, drill_asset, dump_asset
from ledgerflow_ops.defs.catalog_asset import catalog_asset
from ledgerflow_ops.defs.history import history_job
from ledgerflow_ops.defs.jobs import jobs
from ledgerflow_ops.defs.partitions import backup_days
from ledgerflow_ops.defs.restoring import incident_asset, restoring_jobs
from ledgerflow_ops.defs.rotation import rotation_asset, rotation_job
from ledgerflow_ops.defs.sensors import sensors
from ledgerflow_ops.operations.desk import Desk, Site


def build_definitions(
    settings: Settings, reporter: Reporter | None = None, environments: Iterable[Environment] = Environment
) -> dg.Definitions:
    """Everything Dagster knows of these environments.

    `reporter` hears what operations say, besides the run's log.
    """
    desk = Desk(settings, reporter or Silent())
    sites = [desk.site(environment) for environment in environments]
    days = {site.environment: backup_days(site) for site in sites}
    return dg.Definitions(
        assets=[
            *(asset for site in sites for asset in _chain(site, days[site.environment])),
            catalog_asset(sites),
        ],
        asset_checks=[dump_checks(site, days[site.environment]) for site in sites],
        jobs=[
            *(job for site in sites for job in (*jobs(site), *restoring_jobs(site), rotation_job(site))),
            dg.define_asset_job("catalog_job", dg.AssetSelection.assets("catalog")),
            history_job(desk),
        ],
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.assets("catalog"),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=30,
            ),
            *sensors(sites),
        ],
        executor=dg.in_process_executor,
    )


def _chain(site: Site, days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    own = [dump_asset(site, days), drill_asset(site, days)]
    return [database_asset(site), *own, rotation_asset(site), incident_asset(site)]
