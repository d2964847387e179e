"""Runs whose process is gone: killed, or lost with the machine. Dagster's default launcher never finds
them, and would show them as started for ever, with their environment's pool taken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerflow_ops.adapters import clock, instance, liveness
from ledgerflow_ops.defs.runs import HOST
from ledgerflow_ops.defs.timing import Timing

_TO_BEGIN = timedelta(minutes=2)
"""Between a run's start and its first word lie milliseconds."""


def orphans(timing: Timing) -> dg.SensorDefinition:
    """The sensor that ends them on record, so that their place in the pool is free and they are told of."""

    @dg.sensor(
        name="orphans",
        minimum_interval_seconds=timing.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails runs whose process is gone.",
    )
    def looked_for(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        failed = list(fail_orphans(context.instance))
        return dg.SkipReason(f"failed {', '.join(failed)}" if failed else "no run has lost its process")

    return looked_for


def fail_orphans(dagster: dg.DagsterInstance) -> Iterator[str]:
    """Fail every started run of this machine whose process is gone; the ids of those.

    With another launcher runs work elsewhere, and Dagster's run monitoring looks after them.
    """
    if dagster.run_launcher.supports_check_run_worker_health:
        return
    begun = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in dagster.get_run_records(dg.RunsFilter(statuses=begun)):
        run = record.dagster_run
        if run.tags.get(HOST, instance.host()) != instance.host() or _lives(dagster, record):
            continue
        again = dagster.get_run_by_id(run.run_id)  # it may have ended in the meantime, and then it is gone
        if again and again.status in begun:
            dagster.report_run_failed(
                again, "The run's process is gone: it was killed, or the machine went down."
            )
            yield run.run_id


def _lives(dagster: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether the process that last said it works on the run is there."""
    kind = dg.DagsterEventType.ENGINE_EVENT
    for one in dagster.get_records_for_run(record.dagster_run.run_id, of_type=kind, ascending=False).records:
        event = one.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return liveness.alive(int(str(pid.value)), datetime.fromtimestamp(one.timestamp, UTC))
    started = datetime.fromtimestamp(record.start_time or record.update_timestamp.timestamp(), UTC)
    return clock.now() - started < _TO_BEGIN
