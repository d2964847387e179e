"""Takes rotated days off Dagster's record, so that no partition is green whose backup is gone."""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.operations.desk import Site

_PARTITIONED = ("dump", "drill")


def wipe(instance: dg.DagsterInstance, site: Site, days: Iterable[date]) -> bool:
    """Wipe these days of the environment's partitioned assets; whether the storage could do that.

    Repeatable: a day that is wiped already stays so. No file is touched.
    """
    keys = [day.isoformat() for day in days]
    if not keys:
        return True
    try:
        for name in _PARTITIONED:
            # The instance's own method does the same and leaves an ASSET_WIPED event on record.
            instance.wipe_asset_partitions(key(site, name), keys)
    except NotImplementedError:
        site.desk.reporter.say(
            f"{len(keys)} rotated day(s) stay on Dagster's record: its storage cannot wipe single days"
        )
        return False
    return True
