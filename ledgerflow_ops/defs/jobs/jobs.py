"""The asset jobs of an environment. The terminal, the page and schedules launch the same jobs."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ledgerflow_ops.defs.names import (
    ARCHIVE,
    AUDIT,
    CATALOG,
    CATALOG_JOB,
    COVERAGE,
    DATABASE,
    DRILL,
    DUMP,
    HISTORY_CHECK,
    KEY_DRILL,
    KEY_SURVIVAL,
    OWNERS,
    REPORT,
    REPORT_JOB,
    asset_key,
    job_name,
)
from ledgerflow_ops.operations.context import EnvironmentContext


def jobs(env: EnvironmentContext) -> "list[UnresolvedAssetJobDefinition | dg.JobDefinition]":
    """An environment's jobs: backup, copies, rolling drill, verification, drills, and audit."""
    dump, drill = (dg.AssetSelection.assets(asset_key(env, name)) for name in (DUMP, DRILL))
    minutes, more = env.settings.backup_minutes, env.settings.redrill_minutes
    return [
        dg.define_asset_job(
            job_name(env, "backup"),
            dump | drill,
            description="Take a backup, check it, restore it into a throw-away server and compare it.",
            owners=OWNERS,
            tags=_time_limit(minutes),
        ),
        *_archive_jobs(env),
        dg.define_asset_job(
            job_name(env, "redrill"),
            dg.AssetSelection.assets(asset_key(env, COVERAGE)),
            description="Restore the backups with the oldest proofs again, within redrill_minutes.",
            owners=OWNERS,
            tags=_time_limit(minutes + more),
        ),
        dg.define_asset_job(
            job_name(env, "verify"),
            dg.AssetSelection.checks_for_assets(asset_key(env, DUMP)),
            description="Read every byte of a day's backup again and compare it with its manifest.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            job_name(env, "drill"),
            drill,
            description="Restore a day's backup again and compare it with its seal.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            job_name(env, AUDIT),
            dg.AssetSelection.checks(dg.AssetCheckKey(asset_key(env, DATABASE), HISTORY_CHECK)),
            description="Compare the backups with their signed history. Reads no dump, changes no backup.",
            owners=OWNERS,
        ),
        *_key_drill_jobs(env),
    ]


def _key_drill_jobs(env: EnvironmentContext) -> "list[UnresolvedAssetJobDefinition]":
    """The job of the key-survival drill, for an environment that has an escrowed identity."""
    if not env.settings.has_escrow:
        return []
    return [
        dg.define_asset_job(
            job_name(env, KEY_DRILL),
            dg.AssetSelection.checks(dg.AssetCheckKey(asset_key(env, DATABASE), KEY_SURVIVAL)),
            description="Open every backup with the escrowed identity alone, and restore one.",
            owners=OWNERS,
            tags=_time_limit(env.settings.backup_minutes),
        )
    ]


def _archive_jobs(env: EnvironmentContext) -> "list[UnresolvedAssetJobDefinition]":
    """The job that copies to archive locations, for an environment that has any."""
    if not env.ctx.settings.locations_of(env.environment):
        return []
    return [
        dg.define_asset_job(
            job_name(env, "archive"),
            dg.AssetSelection.assets(asset_key(env, ARCHIVE)),
            description="Copy each proven backup to the archive locations that lack it, and read it back.",
            owners=OWNERS,
            tags=_time_limit(env.settings.backup_minutes),
        )
    ]


def catalog_job() -> UnresolvedAssetJobDefinition:
    """The job that reads the catalog again."""
    return dg.define_asset_job(
        CATALOG_JOB,
        dg.AssetSelection.assets(CATALOG),
        description="Read the manifests and proofs of all environments again. Changes no backup.",
        owners=OWNERS,
    )


def report_job() -> UnresolvedAssetJobDefinition:
    """The job that writes the report."""
    return dg.define_asset_job(
        REPORT_JOB,
        dg.AssetSelection.assets(REPORT),
        description="Write the report: the state of every environment, with charts.",
        owners=OWNERS,
    )


def _time_limit(minutes: int) -> dict[str, str]:
    """The tag that makes Dagster's run monitoring end a run that takes longer."""
    return {"dagster/max_runtime": str(minutes * 60)}
