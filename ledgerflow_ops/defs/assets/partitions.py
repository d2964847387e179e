"""Partitions by backup day: the retention window, up to today."""

import warnings

import dagster as dg

from ledgerflow_ops.core.catalog.catalog import newest_proven, window_edge
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.context import EnvironmentContext


def backup_days(env: EnvironmentContext) -> dg.DailyPartitionsDefinition:
    """The days of the retention window, from its edge as it stands now to today."""
    now = env.ctx.clock()
    # As rotation measures: one from the future tells nothing of the window.
    proven = newest_proven(one for one in summaries.present_backups(env) if one.recovery_point <= now)
    edge = window_edge(env.today(), proven.day if proven else None, env.settings.retention_days)
    return dg.DailyPartitionsDefinition(
        start_date=edge.isoformat(), timezone=env.settings.time_zone, end_offset=1
    )


def partitioned_check(
    name: str, asset: dg.AssetKey, days: dg.PartitionsDefinition, description: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A check whose verdicts belong to their days. The one place that uses this preview interface."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=days
        )
