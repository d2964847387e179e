"""Records on the partition of a backup's day that the backup is in quarantine, or back."""

from datetime import date

import dagster as dg

from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import DUMP, asset_key
from ledgerflow_ops.defs.terminal_runs import open_instance
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.quarantined import quarantine_store


def observe_quarantine(env: EnvironmentContext, record: Quarantined) -> None:
    """Record an observation on the dump's partition. A failure is only reported: the backup was moved."""
    if record.day is None or not backup_days(env).has_partition_key(record.day.isoformat()):
        return
    try:
        with open_instance(env) as instance:
            report_observation(instance, env, record, record.day)
    except (LedgerError, dg.DagsterError) as error:
        env.ctx.reporter.say(f"the web page does not show the quarantine: {error}")


def report_observation(
    instance: dg.DagsterInstance, env: EnvironmentContext, record: Quarantined, day: date
) -> None:
    """Log the observation into this instance."""
    observed = dg.AssetObservation(
        asset_key(env, DUMP), partition=day.isoformat(), metadata=observation_metadata(env, record)
    )
    instance.report_runless_asset_event(observed)


def observation_metadata(env: EnvironmentContext, record: Quarantined) -> dict[str, str]:
    """What the partition shows of the backup."""
    if record.undo:
        return {
            "state": "moved back out of quarantine: verify it",
            "file": record.file,
            "next": str(make("verify", env.environment, FILE=record.file)),
        }
    return {
        "state": "in quarantine: no backup any more",
        "file": record.file,
        "folder": quarantine_store(env).location,
        "was": f"{record.state}: {record.problem}" if record.problem else record.state,
        "why": record.reason or "no reason was given",
        "undo": str(make("quarantine", env.environment, FILE=record.file, UNDO=1)),
    }
