"""Takes rotated days off Dagster's record, so that no partition is green whose backup is gone."""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from ledgerflow_ops.defs.assets.backup_chain import key
from ledgerflow_ops.operations.context import EnvironmentContext

_PARTITIONED = ("dump", "drill")


def wipe(instance: dg.DagsterInstance, env: EnvironmentContext, days: Iterable[date]) -> None:
    """Wipe these days of the environment's partitioned assets, with an ASSET_WIPED event on record.

    Repeatable: a day that is wiped already stays so. No file is touched.
    """
    if keys := [day.isoformat() for day in days]:
        for name in _PARTITIONED:
            instance.wipe_asset_partitions(key(env, name), keys)
