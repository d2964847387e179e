"""What a run's verdict on a backup makes of its day's partitions: red where the backup is bad.

The table of states is in docs/how-it-works.md, the reasons in decision 40.
"""

from datetime import date

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import DRILL, DRILL_CHECKS, DUMP, asset_key
from ledgerflow_ops.defs.runs.run_context import newest_of_day
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.context import EnvironmentContext

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def days_that_show(
    env: EnvironmentContext, name: BackupName, day: date
) -> dg.DailyPartitionsDefinition | None:
    """The backup days, if the partitions of `day` show this backup: it is the day's newest. Else None."""
    listed = summaries.list_dumps(env)
    days = backup_days(env, [dump.summary for dump in listed if dump.summary])
    shows = days.has_partition_key(day.isoformat()) and newest_of_day(env, day, listed) == name
    return days if shows else None


def record_bad(context: Context, env: EnvironmentContext, day: date) -> None:
    """Make the day's partitions of dump and drill red. The run has to fail.

    Dagster counts a partition as failed if a run that has failed planned to materialize it and did not.
    """
    run, partition = context.run, day.isoformat()
    for name in (DUMP, DRILL):
        planned = AssetMaterializationPlannedData(asset_key(env, name), partition)
        step = asset_key(env, name).to_python_identifier()
        event = DagsterEvent.build_asset_materialization_planned_event(run.job_name, step, planned)
        context.instance.report_dagster_event(event, run.run_id)


def record_check(context: Context, asset: dg.AssetKey, check: Check, day: date, backup: BackupName) -> None:
    """Record a check's result on the partition of `day`, which need not be the run's own."""
    event = _evaluation(asset, check, day, backup)
    context.op_execution_context.log_event(event)  # type: ignore[arg-type]  # Dagster takes it


def _evaluation(asset: dg.AssetKey, check: Check, day: date, backup: BackupName) -> dg.AssetCheckEvaluation:
    result = metadata.check_result(check, asset, backup.dump)
    return dg.AssetCheckEvaluation(
        asset,
        check.name,
        result.passed,
        result.metadata,
        severity=result.severity,
        description=result.description,
        partition=day.isoformat(),
    )


def record_drill_not_judged(
    context: Context, env: EnvironmentContext, name: BackupName, day: date, bad: Check
) -> None:
    """Make the checks of the day's drill red: what they once said was about other bytes.

    The results belong to no run: this run judged the dump and not the drill.
    """
    key = asset_key(env, DRILL)
    for check in metadata.unreached_checks(DRILL_CHECKS, (), bad.message):
        context.instance.report_runless_asset_event(_evaluation(key, check, day, name))


def record_good(
    context: Context,
    env: EnvironmentContext,
    name: BackupName,
    day: date,
    days: dg.DailyPartitionsDefinition,
) -> None:
    """Make the day's partition of the dump green again if it is red: its backup passed an examination.

    `days` are the backup days, of which `day` is one.
    """
    from ledgerflow_ops.operations import catalog

    key, partition = asset_key(env, DUMP), day.isoformat()
    statuses = context.instance.get_status_by_partition(key, [partition], days) or {}
    status, manifest = statuses.get(partition), catalog.read_manifest(env, name)
    if manifest and status and status.value == "FAILED":
        facts = metadata.backup_metadata(env, manifest)
        context.op_execution_context.log_event(
            dg.AssetMaterialization(key, partition=partition, metadata=facts)
        )
