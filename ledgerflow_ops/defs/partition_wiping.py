"""Wipes the partitions of expired backup days, so that no partition is green whose backup is gone."""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from ledgerflow_ops.defs.names import DRILL, DUMP, asset_key
from ledgerflow_ops.operations.context import EnvironmentContext

_PARTITIONED = (DUMP, DRILL)


def wipe_days(instance: dg.DagsterInstance, env: EnvironmentContext, days: Iterable[date]) -> None:
    """Wipe these days of the environment's partitioned assets; Dagster logs an ASSET_WIPED event.

    Idempotent: a day that is already wiped stays wiped. No file is changed.
    """
    if keys := [day.isoformat() for day in days]:
        for name in _PARTITIONED:
            instance.wipe_asset_partitions(asset_key(env, name), keys)
