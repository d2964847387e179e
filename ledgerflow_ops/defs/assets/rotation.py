"""Rotation as an asset: it shows the plan, and with `carry_out` it removes the expired backups."""

from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ledgerflow_ops.core.access.run_confirmation import require_typed_environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.names import DRILL, OWNERS, ROTATION, asset_key, job_name
from ledgerflow_ops.defs.run_config import RotationConfig
from ledgerflow_ops.defs.runs.run_context import env_for_run, failures_on_record, parent_run
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from ledgerflow_ops.core.retention.retention_plan import RetentionPlan
    from ledgerflow_ops.operations.retention.location_rotations import LocationOutcome
    from ledgerflow_ops.operations.retention.rotate import PlannedRotation, RotationResult

_SHOWN = 400


def rotation_asset(env: EnvironmentContext) -> dg.AssetsDefinition:
    """The asset of rotation: for each backup, whether it is kept or expired, and why."""

    @dg.asset(
        key=asset_key(env, ROTATION),
        deps=[asset_key(env, DRILL)],
        group_name=str(env.environment),
        kinds={"file"},
        pool=str(env.environment),
        description="Which backups are kept, which expire, and why: in the environment's folder, and in "
        "archive locations with a retention of their own. Without `carry_out` this only shows the plan, and "
        "nothing is removed.",
    )
    def rotation(context: dg.AssetExecutionContext, config: RotationConfig) -> dg.MaterializeResult[None]:
        from ledgerflow_ops.defs import partition_wiping
        from ledgerflow_ops.operations.retention import location_rotations, rotate

        run_env = env_for_run(env, context)
        with failures_on_record(env.environment):
            if not config.carry_out:
                places = location_rotations.plan_locations(run_env)
                return dg.MaterializeResult(metadata=plan_metadata(rotate.plan_rotation(run_env), places))
            require_typed_environment(env.environment, config.environment, parent_run(context))
            done = rotate.carry_out_rotation(run_env, config)
            partition_wiping.wipe_days(context.instance, run_env, done.days)
            removal_history.mark_wiped(run_env, done.days)  # the last step of a removal
            _reload_web_page(run_env)
            location_rotations.require_confirmed(run_env, done.locations, config.confirm)
        return dg.MaterializeResult(metadata=result_metadata(done))

    return rotation


def rotation_job(env: EnvironmentContext) -> "UnresolvedAssetJobDefinition":
    """The environment's rotation job, for the nightly sensor, the page and the terminal."""
    return dg.define_asset_job(
        job_name(env, RotationConfig.verb),
        dg.AssetSelection.assets(asset_key(env, ROTATION)),
        description="Plan which backups expire; with `carry_out`, remove them.",
        owners=OWNERS,
    )


def _reload_web_page(env: EnvironmentContext) -> None:
    """Make the web page read the partitions again, which begin later now. A failure is only reported."""
    from ledgerflow_ops.operations.servers import web_servers

    try:
        web_servers.reload_pages(env.ctx)
    except LedgerError as error:
        env.ctx.reporter.say(f"the web page still shows the days before the rotation: {error.message}")


def plan_metadata(
    planned: "PlannedRotation", places: "Sequence[LocationOutcome]"
) -> dict[str, dg.MetadataValue]:
    """Metadata of a plan, and of those of the locations with a retention of their own."""
    plan, expire = planned.plan, len(planned.plan.expired)
    rows = _decision_rows(plan, planned.file_of)
    facts = {
        "expire": dg.MetadataValue.int(expire),
        "keep": dg.MetadataValue.int(len(plan.decisions) - expire),
        "expire_bytes": dg.MetadataValue.int(planned.size),
        "expire_size": dg.MetadataValue.text(format_size(planned.size)),
        "window": dg.MetadataValue.text(plan.stalled or f"from {plan.edge} on"),
        "asks": dg.MetadataValue.text(plan.asks or "nothing"),
        "plan": metadata.markdown_table(("backup", "day", "decision", "why"), rows[:_SHOWN]),
    }
    if plan.since:
        facts["measured_from"] = dg.MetadataValue.timestamp(plan.since)
    if planned.strangers:
        facts["not_known"] = dg.MetadataValue.text(f"not ours, never removed: {', '.join(planned.strangers)}")
    return {**facts, **(_places_metadata(places) if places else {})}


def _decision_rows(
    plan: "RetentionPlan", file_of: "Callable[[str], str]"
) -> list[tuple[str, "date", str, str]]:
    """A row for each backup: its file, its day, the decision and why. First what expires."""
    return [
        (
            file_of(decision.name),
            decision.day,
            "EXPIRE" if decision.expires else "keep",
            "; ".join(decision.reasons),
        )
        for decision in sorted(plan.decisions, key=lambda item: not item.expires)
    ]


def _places_metadata(places: "Sequence[LocationOutcome]") -> dict[str, dg.MetadataValue]:
    """What expires in the archive locations, one row a location and one row a backup."""
    totals = [
        (
            place.location,
            len(place.planned.plan.expired) if place.planned else "",
            format_size(place.planned.size) if place.planned else "",
            len(place.removed),
            place.left or place.asks or "nothing",
        )
        for place in places
    ]
    rows = [
        (place.location, *row)
        for place in places
        if place.planned
        for row in _decision_rows(place.planned.plan, place.planned.files.__getitem__)
    ]
    totals_head = ("location", "expire", "bytes", "removed", "left or asks")
    plan_head = ("location", "backup", "day", "decision", "why")
    return {
        "locations": metadata.markdown_table(totals_head, totals),
        "locations_plan": metadata.markdown_table(plan_head, rows[:_SHOWN]),
    }


def result_metadata(done: "RotationResult") -> dict[str, dg.MetadataValue]:
    """Metadata of a rotation: its plan, and what was removed."""
    left = "; ".join(f"{name}: {why}" for name, why in done.left.items())
    days = ", ".join(day.isoformat() for day in done.days) or "none"
    return {
        **plan_metadata(done.planned, done.locations),
        "removed": dg.MetadataValue.int(len(done.removed)),
        "finished_from_before": dg.MetadataValue.int(len(done.finished)),
        "left": dg.MetadataValue.text(left or "nothing"),
        "days_wiped": dg.MetadataValue.text(days),
    }
