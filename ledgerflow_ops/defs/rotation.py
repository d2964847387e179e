"""Rotation as an asset: the plan to read, and with `carry_out` the rotation itself."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.launching import TYPED, refuse_unnamed
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.defs import metadata, wiping
from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.defs.runs import at_work, on_record, repeats
from ledgerflow_ops.operations import rotate, servers
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.rotate import Done, Planned

_SHOWN = 400


class RotationConfig(dg.Config):
    """Whether to carry the plan out; `confirm` is the environment's name where the plan asks for it."""

    carry_out: bool = False
    environment: str = Field(default="", description=f"With carry_out: {TYPED}")
    confirm: str = ""


def rotate_job(site: Site) -> str:
    return f"{site.environment}_rotate"


def rotation_step(site: Site) -> str:
    """The name of the step that rotates."""
    return f"{site.environment}__rotation"


def rotation_asset(site: Site) -> dg.AssetsDefinition:
    """What rotation would remove, or has removed: each backup, kept or expired, and why."""

    @dg.asset(
        key=key(site, "rotation"),
        deps=[key(site, "drill")],
        group_name=str(site.environment),
        kinds={"file"},
        pool=str(site.environment),
        description="Which backups stay, which may go, and why. Materialized without `carry_out` it is the "
        "plan alone, and nothing is touched.",
    )
    def rotation(context: dg.AssetExecutionContext, config: RotationConfig) -> dg.MaterializeResult[None]:
        here = at_work(site, context)
        with on_record():
            if not config.carry_out:
                return dg.MaterializeResult(metadata=of_plan(rotate.plan(here)))
            refuse_unnamed(site.environment, config.environment, repeats(context))
            done = rotate.carry_out(here, config.confirm)
            wiping.wipe(context.instance, here, done.days)
            rotate.wiped(here, done.days)  # the last step of a removal
        _shown(here)
        return dg.MaterializeResult(metadata=of_done(done))

    return rotation


def rotation_job(site: Site) -> "UnresolvedAssetJobDefinition":
    """The job that schedules, people and the terminal call."""
    return dg.define_asset_job(
        rotate_job(site),
        dg.AssetSelection.assets(key(site, "rotation")),
        description="Plan which backups may go; with `carry_out`, remove them.",
    )


def _shown(site: Site) -> None:
    """Let the web page begin its days where the window does now. One that cannot fails no rotation."""
    try:
        servers.reload(site.desk)
    except LedgerError as error:
        site.desk.reporter.say(f"the web page shows the days as they were: {error.message}")


def of_plan(planned: Planned) -> dict[str, dg.MetadataValue]:
    """The plan as people read it."""
    plan, expire = planned.plan, len(planned.plan.expired)
    rows = [
        (
            f"{decision.name}.dump",
            decision.day,
            "EXPIRE" if decision.expires else "keep",
            "; ".join(decision.reasons),
        )
        for decision in sorted(plan.decisions, key=lambda one: not one.expires)
    ]
    found = {
        "expire": dg.MetadataValue.int(expire),
        "keep": dg.MetadataValue.int(len(plan.decisions) - expire),
        "expire_bytes": dg.MetadataValue.int(planned.size),
        "expire_size": dg.MetadataValue.text(human(planned.size)),
        "window": dg.MetadataValue.text(plan.stalled or f"from {plan.edge} on"),
        "asks": dg.MetadataValue.text(plan.asks or "nothing"),
        "plan": metadata.table(("backup", "day", "decision", "why"), rows[:_SHOWN]),
    }
    if plan.since:
        found["measured_from"] = dg.MetadataValue.timestamp(plan.since)
    if planned.strangers:
        found["not_known"] = dg.MetadataValue.text(f"never touched: {', '.join(planned.strangers)}")
    return found


def of_done(done: Done) -> dict[str, dg.MetadataValue]:
    """What was removed, with the plan that said so."""
    left = "; ".join(f"{name}: {why}" for name, why in done.left.items())
    days = ", ".join(day.isoformat() for day in done.days) or "none"
    return {
        **of_plan(done.planned),
        "removed": dg.MetadataValue.int(len(done.removed)),
        "finished_from_before": dg.MetadataValue.int(len(done.finished)),
        "left": dg.MetadataValue.text(left or "nothing"),
        "days_wiped": dg.MetadataValue.text(days),
    }
