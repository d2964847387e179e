"""Removes Dagster's old history: runs with their events, ticks of schedules and sensors."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import AssetKey, DagsterInstance, DagsterRunStatus

from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.retention.run_retention import RunCleanup, plan_cleanup
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import HISTORY_JOB, HISTORY_STEP, OWNERS
from ledgerflow_ops.defs.runs.run_context import WHO, WHY, failures_on_record
from ledgerflow_ops.defs.storage import Days, LedgerEventLog
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_BATCH = 100
_LIMIT = 5_000
"""The maximum number of runs that one run of the job removes; the rest waits for the next one."""
_ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_UNENDED = tuple(status for status in DagsterRunStatus if status not in _ENDED)


def history_job(ctx: OperationContext) -> dg.JobDefinition:
    """The job that removes history older than `dagster_history_days`. It can be run at any time."""

    @dg.op(name=HISTORY_STEP, pool=HISTORY_JOB)
    def op(context: dg.OpExecutionContext) -> None:
        tags = context.run.tags
        who = tags.get(WHO) or tags.get("dagster/schedule_name") or "dagster"
        run_ctx = ctx.with_run(RunFacts(run_id=context.run.run_id, who=who, why=tags.get(WHY, "")))
        with failures_on_record():
            done = clean_up_history(run_ctx, context.instance)
        figures = {
            "removed": len(done.remove),
            "closed": len(done.close),
            "shown": done.shown,
            "waiting": done.waiting,
        }
        run_ctx.journal("history", figures)
        context.add_output_metadata(figures)

    graph = dg.GraphDefinition(HISTORY_JOB, node_defs=[op])
    text = "Remove runs, events and ticks older than dagster_history_days. Those that a page shows stay."
    return graph.to_job(
        name=HISTORY_JOB, description=text, owners=OWNERS, executor_def=dg.in_process_executor
    )


def clean_up_history(ctx: OperationContext, instance: DagsterInstance, limit: int = _LIMIT) -> RunCleanup:
    """Remove runs and ticks that are older than the limit of history and that no page shows; what was done.

    Safe to interrupt: a run is deleted after its events, so the next call finds it again.
    """
    edge = ctx.clock().astimezone(UTC) - timedelta(days=ctx.settings.dagster_history_days)
    events = instance.event_log_storage
    assert isinstance(events, LedgerEventLog), "dagster.yaml names another storage"
    done = plan_cleanup(
        ended=_before(instance, edge, *_ENDED),
        unended=[run for run in _before(instance, edge, *_UNENDED) if run != ctx.run.run_id],
        shown=events.runs_shown(displayed_partitions(ctx, instance)),
        limit=limit,
    )
    for run_id in done.close:
        run = instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            instance.report_run_canceled(
                run, f"The run never ended, and has recorded nothing since {edge:%Y-%m-%d}."
            )
    for start in range(0, len(done.remove), _BATCH):
        batch = done.remove[start : start + _BATCH]
        events.delete_checks_and_events(batch)
        for run_id in batch:
            instance.delete_run(run_id)
    _purge_ticks(instance, edge)
    return done


def displayed_partitions(ctx: OperationContext, instance: DagsterInstance) -> dict[AssetKey, Days]:
    """The partitions that each asset's page shows: for an environment's assets the retention window.

    All partitions (None) where no proven backup is known: the backup folder may just be unmounted.
    """
    windows = {str(environment): _window(ctx.env(environment)) for environment in Environment}
    return {key: windows.get(key.path[0]) for key in instance.all_asset_keys()}


def _window(env: EnvironmentContext) -> Days:
    from ledgerflow_ops.core.catalog import catalog as known
    from ledgerflow_ops.operations import catalog

    if known.newest_proven(catalog.entries(env)) is None:
        return None
    return frozenset(backup_days(env).get_partition_keys())


def _before(instance: DagsterInstance, edge: datetime, *statuses: DagsterRunStatus) -> Sequence[str]:
    """The ids of runs with these statuses that have not changed since `edge`, oldest first."""
    return instance.get_run_ids(dg.RunsFilter(statuses=statuses, updated_before=edge))[::-1]


def _purge_ticks(instance: DagsterInstance, edge: datetime) -> None:
    """Delete old ticks, but never the newest of a schedule or sensor: the daemon continues from it."""
    for state in instance.all_instigator_state():
        origin, selector = state.instigator_origin_id, state.selector_id
        for newest in instance.get_ticks(origin, selector, limit=1):
            instance.purge_ticks(origin, selector, before=min(edge.timestamp(), newest.timestamp))
