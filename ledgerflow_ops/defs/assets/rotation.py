"""Rotation as an asset: the plan to read, and with `carry_out` the rotation itself."""

from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ledgerflow_ops.core.access.run_confirmation import require_typed_environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.names import DRILL, ROTATION, asset_key, job_name
from ledgerflow_ops.defs.run_config import RotationConfig
from ledgerflow_ops.defs.runs.run_context import at_work, on_record, repeats
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.operations.retention.rotate import PlannedRotation, RotationResult

_SHOWN = 400


def rotation_asset(env: EnvironmentContext) -> dg.AssetsDefinition:
    """What rotation would remove, or has removed: each backup, kept or expired, and why."""

    @dg.asset(
        key=asset_key(env, ROTATION),
        deps=[asset_key(env, DRILL)],
        group_name=str(env.environment),
        kinds={"file"},
        pool=str(env.environment),
        description="Which backups stay, which may go, and why. Materialized without `carry_out` it is the "
        "plan alone, and nothing is touched.",
    )
    def rotation(context: dg.AssetExecutionContext, config: RotationConfig) -> dg.MaterializeResult[None]:
        from ledgerflow_ops.defs import partition_wiping
        from ledgerflow_ops.operations.retention import rotate

        here = at_work(env, context)
        with on_record(env.environment):
            if not config.carry_out:
                return dg.MaterializeResult(metadata=of_plan(rotate.plan_rotation(here)))
            require_typed_environment(env.environment, config.environment, repeats(context))
            done = rotate.carry_out_rotation(here, config)
            partition_wiping.wipe(context.instance, here, done.days)
            removal_history.mark_wiped(here, done.days)  # the last step of a removal
        _shown(here)
        return dg.MaterializeResult(metadata=of_done(done))

    return rotation


def rotation_job(env: EnvironmentContext) -> "UnresolvedAssetJobDefinition":
    """The job that schedules, people and the terminal call."""
    return dg.define_asset_job(
        job_name(env, RotationConfig.verb),
        dg.AssetSelection.assets(asset_key(env, ROTATION)),
        description="Plan which backups may go; with `carry_out`, remove them.",
    )


def _shown(env: EnvironmentContext) -> None:
    """Let the web page begin its days where the window does now. One that cannot fails no rotation."""
    from ledgerflow_ops.operations.servers import web_servers

    try:
        web_servers.reload_pages(env.ctx)
    except LedgerError as error:
        env.ctx.reporter.say(f"the web page shows the days as they were: {error.message}")


def of_plan(planned: "PlannedRotation") -> dict[str, dg.MetadataValue]:
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
        "expire_size": dg.MetadataValue.text(format_size(planned.size)),
        "window": dg.MetadataValue.text(plan.stalled or f"from {plan.edge} on"),
        "asks": dg.MetadataValue.text(plan.asks or "nothing"),
        "plan": metadata.table(("backup", "day", "decision", "why"), rows[:_SHOWN]),
    }
    if plan.since:
        found["measured_from"] = dg.MetadataValue.timestamp(plan.since)
    if planned.strangers:
        found["not_known"] = dg.MetadataValue.text(f"never touched: {', '.join(planned.strangers)}")
    return found


def of_done(done: "RotationResult") -> dict[str, dg.MetadataValue]:
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
