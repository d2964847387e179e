"""Partitions by backup day: the retention window, up to today."""

import warnings
from collections.abc import Iterable

import dagster as dg

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import newest_proven, window_edge
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.context import EnvironmentContext


def backup_days(
    env: EnvironmentContext, present: Iterable[BackupSummary] | None = None
) -> dg.DailyPartitionsDefinition:
    """The days of the retention window, from its current edge to today, in the environment's time zone.

    `present` are the environment's backups if the caller has just read them.
    """
    now, known = env.ctx.clock(), summaries.present_backups(env) if present is None else present
    # As in rotation: a backup dated in the future does not move the window.
    proven = newest_proven(backup for backup in known if backup.recovery_point <= now)
    edge = window_edge(env.today(), proven.day if proven else None, env.settings.retention_days)
    return dg.DailyPartitionsDefinition(
        start_date=edge.isoformat(), timezone=env.settings.time_zone, end_offset=1
    )


def partitioned_check(
    name: str, asset: dg.AssetKey, days: dg.PartitionsDefinition, description: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A check with a result per backup day. Partitioned checks are a preview in Dagster, used only here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=days
        )
