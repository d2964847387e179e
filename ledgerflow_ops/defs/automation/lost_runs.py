"""Runs whose process is gone: killed, or lost with the machine. Dagster's default launcher never finds
them, and would show them as started for ever, with their environment's pool taken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.defs.runs.run_context import HOST
from ledgerflow_ops.defs.timing import Timing

_WORKED_ON = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def orphans(timing: Timing) -> dg.SensorDefinition:
    """The sensor that ends them on record, so that their place in the pool is free and they are told of."""

    @dg.sensor(
        name="orphans",
        minimum_interval_seconds=timing.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails runs whose process is gone.",
    )
    def looked_for(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        failed = list(fail_orphans(context.instance, timing))
        return dg.SkipReason(f"failed {', '.join(failed)}" if failed else "no run has lost its process")

    return looked_for


def fail_orphans(dagster: dg.DagsterInstance, timing: Timing) -> Iterator[str]:
    """Fail every run of this machine whose process is gone; the ids of those.

    With another launcher runs work elsewhere, and Dagster's run monitoring looks after them.
    """
    from ledgerflow_ops.adapters.services import dagster_home

    if dagster.run_launcher.supports_check_run_worker_health:
        return
    patience = timedelta(seconds=timing.begin_seconds)
    for record in dagster.get_run_records(dg.RunsFilter(statuses=_WORKED_ON)):
        run = record.dagster_run
        if run.tags.get(HOST, dagster_home.host_name()) != dagster_home.host_name() or _lives(
            dagster, record, patience
        ):
            continue
        again = dagster.get_run_by_id(run.run_id)  # it may have ended in the meantime, and then it is gone
        if again and again.status in _WORKED_ON:
            dagster.report_run_failed(
                again, "The run's process is gone: it was killed, or the machine went down."
            )
            yield run.run_id


def _lives(dagster: dg.DagsterInstance, record: dg.RunRecord, patience: timedelta) -> bool:
    """Whether the process that last said it works on the run is there; or none has said so yet, in time."""
    from ledgerflow_ops.adapters.system import process_liveness

    kind = dg.DagsterEventType.ENGINE_EVENT
    for one in dagster.get_records_for_run(record.dagster_run.run_id, of_type=kind, ascending=False).records:
        event = one.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return process_liveness.is_alive(int(str(pid.value)), datetime.fromtimestamp(one.timestamp, UTC))
    started = datetime.fromtimestamp(record.start_time or record.update_timestamp.timestamp(), UTC)
    return clock.now() - started < patience
