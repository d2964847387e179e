"""What can be launched: the same jobs from the terminal, from the UI and from schedules."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.operations.desk import Site


def backup_job(site: Site) -> str:
    return f"{site.environment}_backup"


def verify_job(site: Site) -> str:
    return f"{site.environment}_verify"


def drill_job(site: Site) -> str:
    return f"{site.environment}_drill"


def redrill_job(site: Site) -> str:
    return f"{site.environment}_redrill"


def jobs(site: Site) -> "list[UnresolvedAssetJobDefinition | dg.JobDefinition]":
    """An environment's jobs: back up and prove; read every byte again; restore and compare again."""
    dump, drill = (dg.AssetSelection.assets(key(site, name)) for name in ("dump", "drill"))
    minutes, more = site.settings.backup_minutes, site.settings.redrill_minutes
    return [
        dg.define_asset_job(
            backup_job(site),
            dump | drill,
            description="Dump, check, restore into a throw-away server, compare.",
            tags=_at_most(minutes),
        ),
        dg.define_asset_job(
            redrill_job(site),
            dg.AssetSelection.assets(key(site, "coverage")),
            description="Restore the backups again whose proof is oldest, within the night's budget.",
            tags=_at_most(minutes + more),
        ),
        dg.define_asset_job(
            verify_job(site),
            dg.AssetSelection.checks_for_assets(key(site, "dump")),
            description="Read every byte of a day's backup again and compare it with its manifest.",
        ),
        dg.define_asset_job(
            drill_job(site), drill, description="Restore a day's backup again and compare it with its seal."
        ),
    ]


def _at_most(minutes: int) -> dict[str, str]:
    """The tag by which run monitoring ends what takes longer."""
    return {"dagster/max_runtime": str(minutes * 60)}
