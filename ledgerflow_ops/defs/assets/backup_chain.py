"""The asset chain of each environment: database → dump → drill, partitioned by backup day."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.jobs.examine_job import backup_in_folder
from ledgerflow_ops.defs.names import DATABASE, DRILL, DRILL_CHECKS, DUMP, asset_key
from ledgerflow_ops.defs.run_config import DrillConfig, DumpConfig
from ledgerflow_ops.defs.runs import partition_states
from ledgerflow_ops.defs.runs.run_context import MISSED, NIGHT, backup_of_run, env_for_run, failures_on_record
from ledgerflow_ops.defs.runs.run_results import BACKUP_KEY
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.defs.versions import drill_version, dump_version
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.manifest import Manifest


def database_asset(env: EnvironmentContext) -> dg.AssetSpec:
    """The environment's database, as an external asset: Dagster does not materialize it."""
    text = "SAMPLE DATA: no URL is set." if env.is_sample else "The environment's own database."
    return dg.AssetSpec(
        asset_key(env, DATABASE), group_name=str(env.environment), kinds={"postgres"}, description=text
    )


def dump_asset(env: EnvironmentContext, days: dg.PartitionsDefinition, timing: Timing) -> dg.AssetsDefinition:
    """The environment's dumps, one per backup day."""

    @dg.asset(
        key=asset_key(env, DUMP),
        deps=[asset_key(env, DATABASE)],
        partitions_def=days,
        group_name=str(env.environment),
        kinds={"postgres", "file"},
        pool=str(env.environment),
        description="A sealed dump of the database, committed by its manifest. The day's drill proves it.",
    )
    def dump(context: dg.AssetExecutionContext, config: DumpConfig) -> dg.MaterializeResult[None]:
        from ledgerflow_ops.defs.assets import metadata

        run_env, day = env_for_run(env, context), date.fromisoformat(context.partition_key)
        with failures_on_record(
            env.environment, timing.retry_request(context.op_execution_context.retry_number)
        ):
            manifest = _manifest(run_env, context.run, day, config)
        for warning in manifest.warnings or ():
            context.log.warning(f"{warning.program}: {warning.text}")
        missed = context.run.tags.get(MISSED)
        if missed:
            run_env.ctx.reporter.say(f"Since the last backup these days were missed: {missed}")
            run_env.ctx.journal("missed days", {"environment": run_env.environment, "days": missed.split()})
        facts = metadata.backup_metadata(run_env, manifest, missed) | metadata.emptied_tables(run_env)
        return dg.MaterializeResult(metadata=facts, data_version=dump_version(manifest))

    return dump


def _manifest(env: EnvironmentContext, run: dg.DagsterRun, day: date, request: BackupRequest) -> "Manifest":
    """The manifest of the day's backup: backfilled if the day has passed, else taken now.

    A nightly run adopts the backup that an earlier attempt of the same night left behind. A run that a person
    re-executes takes a new one.
    """
    from ledgerflow_ops.operations.backfill import adoption, missed_days
    from ledgerflow_ops.operations.backup import backup

    if day < env.today():
        return missed_days.obtain_backup(env, day)
    night = run.tags.get(NIGHT)
    if night and run.parent_run_id is None:
        due = datetime.fromisoformat(night.split()[1])
        leftover = adoption.backup_of_night(env, day, due, full_seal=request.full_seal)
        if leftover:
            return leftover
    return backup.backup(env, request, day=day)


def drill_asset(
    env: EnvironmentContext, days: dg.PartitionsDefinition, timing: Timing
) -> dg.AssetsDefinition:
    """The drills, one per backup day: each proves the day's dump by restoring it."""
    drill_key = asset_key(env, DRILL)

    @dg.asset(
        key=drill_key,
        deps=[asset_key(env, DUMP)],
        partitions_def=days,
        group_name=str(env.environment),
        kinds={"postgres"},
        pool=str(env.environment),
        check_specs=[partitioned_check(name, drill_key, days, text) for name, text in DRILL_CHECKS.items()],
        description="The dump, restored into a throw-away server and compared with its seal.",
        output_required=False,
    )
    def drill_(context: dg.AssetExecutionContext, config: DrillConfig) -> Iterator[object]:
        from ledgerflow_ops.operations.verification import drill

        run_env = env_for_run(env, context)
        with failures_on_record(
            env.environment, timing.retry_request(context.op_execution_context.retry_number)
        ):
            name = (
                backup_in_folder(run_env, config.file)
                if config.file
                else backup_of_run(run_env, context, asset_key(env, DUMP))
            )
            examination = drill.drill(run_env, name)
        failed = examination.bad
        checks = merged(examination.checks)
        day = date.fromisoformat(context.partition_key)
        shown_in = partition_states.days_that_show(run_env, name, day)
        if failed:
            if shown_in is not None:
                partition_states.record_bad(context, run_env, day)
            checks += metadata.unreached_checks(DRILL_CHECKS, checks, failed.message)
        elif shown_in is not None:
            partition_states.record_good(context, run_env, name, day, shown_in)
        for check in checks:
            if check.name in DRILL_CHECKS:
                yield metadata.check_result(check, drill_key, name.dump)
        if failed:
            details: dict[str, str | int] = {
                "hint": str(failed.hint.within(env.environment)),
                "exit_code": 4,
                "kind": "BadBackup",
                "check": failed.name,
                BACKUP_KEY: name.dump,
            }
            raise dg.Failure(f"{name.dump} is bad: {failed.message}", metadata=details, allow_retries=False)
        yield dg.MaterializeResult(
            asset_key=drill_key,
            metadata=metadata.examination_metadata(examination),
            data_version=drill_version(examination),
        )

    return drill_
