"""Fails runs whose process is gone: it was killed, or the machine went down.

Dagster's default launcher does not detect them. They would stay "started" for ever and occupy their
environment's pool.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.defs.names import OWNERS
from ledgerflow_ops.defs.runs.run_context import HOST, is_from_terminal
from ledgerflow_ops.defs.timing import Timing

_IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def lost_runs_sensor(timing: Timing) -> dg.SensorDefinition:
    """The sensor that fails lost runs, so that their pool slot is freed and an alert is sent."""

    @dg.sensor(
        name="orphans",
        minimum_interval_seconds=timing.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description="Fails runs whose process is gone.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        failed = list(fail_lost_runs(context.instance, timing))
        return dg.SkipReason(f"failed {', '.join(failed)}" if failed else "no run has lost its process")

    return evaluate


def fail_lost_runs(dagster: dg.DagsterInstance, timing: Timing) -> Iterator[str]:
    """Fail every run of this machine whose process is gone; yields their ids.

    Does nothing with a launcher that checks its workers: then Dagster's run monitoring does it.
    """
    from ledgerflow_ops.adapters.services import dagster_home

    if dagster.run_launcher.supports_check_run_worker_health:
        return
    patience = timedelta(seconds=timing.begin_seconds)
    for record in dagster.get_run_records(dg.RunsFilter(statuses=_IN_PROGRESS)):
        run = record.dagster_run
        here = dagster_home.host_name()
        elsewhere = is_from_terminal(run) and run.tags.get(HOST, here) != here
        if elsewhere or _is_alive(dagster, record, patience):
            continue
        current = dagster.get_run_by_id(run.run_id)  # it may have ended since, and its process with it
        if current and current.status in _IN_PROGRESS:
            dagster.report_run_failed(
                current, "The run's process is gone: it was killed, or the machine went down."
            )
            yield run.run_id


def _is_alive(dagster: dg.DagsterInstance, record: dg.RunRecord, patience: timedelta) -> bool:
    """Whether the process that the run last recorded is alive; without one, whether `patience` lasts."""
    from ledgerflow_ops.adapters.system import process_liveness

    kind = dg.DagsterEventType.ENGINE_EVENT
    for event_record in dagster.get_records_for_run(
        record.dagster_run.run_id, of_type=kind, ascending=False
    ).records:
        event = event_record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return process_liveness.is_alive(
                int(str(pid.value)), datetime.fromtimestamp(event_record.timestamp, UTC)
            )
    started = datetime.fromtimestamp(record.start_time or record.update_timestamp.timestamp(), UTC)
    return clock.now() - started < patience
