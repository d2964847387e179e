"""Takes rotated days off Dagster's record, so that no partition is green whose backup is gone."""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from ledgerflow_ops.defs.names import DRILL, DUMP, asset_key
from ledgerflow_ops.operations.context import EnvironmentContext

_PARTITIONED = (DUMP, DRILL)


def wipe(instance: dg.DagsterInstance, env: EnvironmentContext, days: Iterable[date]) -> None:
    """Wipe these days of the environment's partitioned assets, with an ASSET_WIPED event on record.

    Repeatable: a day that is wiped already stays so. No file is touched.
    """
    if keys := [day.isoformat() for day in days]:
        for name in _PARTITIONED:
            instance.wipe_asset_partitions(asset_key(env, name), keys)
