"""One chain per environment: database → dump → drill, partitioned by backup day."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.names import DATABASE, DRILL, DRILL_CHECKS, DUMP, asset_key
from ledgerflow_ops.defs.run_config import DrillConfig, DumpConfig
from ledgerflow_ops.defs.runs.run_context import MISSED, NIGHT, at_work, backup_of, on_record
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.manifest import Manifest


def database_asset(env: EnvironmentContext) -> dg.AssetSpec:
    """Where an environment's data comes from; outside of Dagster."""
    text = "SAMPLE DATA: no URL is set." if env.is_sample else "The environment's own database."
    return dg.AssetSpec(
        asset_key(env, DATABASE), group_name=str(env.environment), kinds={"postgres"}, description=text
    )


def dump_asset(env: EnvironmentContext, days: dg.PartitionsDefinition, timing: Timing) -> dg.AssetsDefinition:
    """The environment's dump of a day."""

    @dg.asset(
        key=asset_key(env, DUMP),
        deps=[asset_key(env, DATABASE)],
        partitions_def=days,
        group_name=str(env.environment),
        kinds={"postgres", "file"},
        pool=str(env.environment),
        description="A sealed dump of the database, committed by its manifest. Not proven yet.",
    )
    def dump(context: dg.AssetExecutionContext, config: DumpConfig) -> dg.MaterializeResult[None]:
        from ledgerflow_ops.defs.assets import metadata

        here, day = at_work(env, context), date.fromisoformat(context.partition_key)
        with on_record(env.environment, timing.again(context.op_execution_context.retry_number)):
            manifest = _manifest(here, context.run, day, config)
        gone = context.run.tags.get(MISSED)
        if gone:
            here.ctx.reporter.say(f"Since the last backup these days were missed: {gone}")
            here.ctx.journal("missed days", {"environment": here.environment, "days": gone.split()})
        return dg.MaterializeResult(metadata=metadata.of_backup(here, manifest, gone))

    return dump


def _manifest(here: EnvironmentContext, run: dg.DagsterRun, day: date, request: BackupRequest) -> "Manifest":
    """The backup of a day: had from elsewhere if the day has passed, else taken.

    A night's own run takes up what an earlier attempt of it left, unless somebody repeats it on purpose.
    """
    from ledgerflow_ops.operations.backfill import adoption, missed_days
    from ledgerflow_ops.operations.backup import backup

    if day < here.today():
        return missed_days.obtain_backup(here, day)
    night = run.tags.get(NIGHT)
    if night and run.parent_run_id is None:
        due = datetime.fromisoformat(night.split()[1])
        left = adoption.backup_of_night(here, day, due, full_seal=request.full_seal)
        if left:
            return left
    return backup.backup(here, request, day=day)


def drill_asset(
    env: EnvironmentContext, days: dg.PartitionsDefinition, timing: Timing
) -> dg.AssetsDefinition:
    """The proof of a day's dump."""
    drilled = asset_key(env, DRILL)

    @dg.asset(
        key=drilled,
        deps=[asset_key(env, DUMP)],
        partitions_def=days,
        group_name=str(env.environment),
        kinds={"postgres"},
        pool=str(env.environment),
        check_specs=[partitioned_check(name, drilled, days, text) for name, text in DRILL_CHECKS.items()],
        description="The dump restored into a throw-away server, compared with its seal and dropped again.",
        output_required=False,
    )
    def drill_(context: dg.AssetExecutionContext, config: DrillConfig) -> Iterator[object]:
        from ledgerflow_ops.operations import catalog
        from ledgerflow_ops.operations.verification import drill

        here = at_work(env, context)
        with on_record(env.environment, timing.again(context.op_execution_context.retry_number)):
            name = (
                catalog.find(here, config.file)
                if config.file
                else backup_of(here, context, asset_key(env, DUMP))
            )
            examination = drill.drill(here, name)
        bad = examination.bad
        checks = merged(examination.checks)
        if bad:
            checks += metadata.not_asked(DRILL_CHECKS, checks, bad.message)
        for check in checks:
            if check.name in DRILL_CHECKS:
                yield metadata.result(check, drilled)
        if bad:
            details: dict[str, str | int] = {
                "hint": str(bad.hint.within(env.environment)),
                "exit_code": 4,
                "kind": "BadBackup",
                "check": bad.name,
            }
            raise dg.Failure(f"{name.dump} is bad: {bad.message}", metadata=details, allow_retries=False)
        yield dg.MaterializeResult(asset_key=drilled, metadata=metadata.of_examination(examination))

    return drill_
