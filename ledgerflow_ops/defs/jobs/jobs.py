"""What can be launched: the same jobs from the terminal, from the UI and from schedules."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ledgerflow_ops.defs.names import COVERAGE, DRILL, DUMP, asset_key, job_name
from ledgerflow_ops.operations.context import EnvironmentContext


def jobs(env: EnvironmentContext) -> "list[UnresolvedAssetJobDefinition | dg.JobDefinition]":
    """An environment's jobs: back up and prove; read every byte again; restore and compare again."""
    dump, drill = (dg.AssetSelection.assets(asset_key(env, name)) for name in (DUMP, DRILL))
    minutes, more = env.settings.backup_minutes, env.settings.redrill_minutes
    return [
        dg.define_asset_job(
            job_name(env, "backup"),
            dump | drill,
            description="Dump, check, restore into a throw-away server, compare.",
            tags=_at_most(minutes),
        ),
        dg.define_asset_job(
            job_name(env, "redrill"),
            dg.AssetSelection.assets(asset_key(env, COVERAGE)),
            description="Restore the backups again whose proof is oldest, within the night's budget.",
            tags=_at_most(minutes + more),
        ),
        dg.define_asset_job(
            job_name(env, "verify"),
            dg.AssetSelection.checks_for_assets(asset_key(env, DUMP)),
            description="Read every byte of a day's backup again and compare it with its manifest.",
        ),
        dg.define_asset_job(
            job_name(env, "drill"),
            drill,
            description="Restore a day's backup again and compare it with its seal.",
        ),
    ]


def _at_most(minutes: int) -> dict[str, str]:
    """The tag by which run monitoring ends what takes longer."""
    return {"dagster/max_runtime": str(minutes * 60)}
