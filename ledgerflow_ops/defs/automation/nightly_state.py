"""The state of an environment's nightly runs, read from Dagster's storage and from the catalog."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.operation_requests import BackupRequest, RotateRequest
from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.core.schedule.nightly_plan import Attempt, Night, Task
from ledgerflow_ops.defs.names import DUMP, asset_key, job_name
from ledgerflow_ops.defs.run_config import run_config
from ledgerflow_ops.defs.runs.run_context import MISSED, NIGHT, TASK, TRY_AGAIN
from ledgerflow_ops.defs.runs.run_results import INTERRUPTED, has_failed
from ledgerflow_ops.operations import removal_history, summaries
from ledgerflow_ops.operations.context import EnvironmentContext

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_FAILURE_EVENTS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def night_tag(env: EnvironmentContext, due: datetime) -> str:
    """The value of the tag NIGHT, which all runs of one night have."""
    return f"{env.environment} {due.isoformat()}"


def read_night(env: EnvironmentContext, instance: dg.DagsterInstance, day: date) -> Night:
    """The input of `core.schedule.nightly_plan`: attempts and backups of the night of backup day `day`."""
    due = schedule.due_at(day, env.settings.schedule, env.settings.zone)
    filters = dg.RunsFilter(tags={NIGHT: night_tag(env, due)})
    attempts = [_attempt(instance, record) for record in instance.get_run_records(filters)]
    present = summaries.present_backups(env)
    proven = any(backup.proven and backup.day == day and backup.recovery_point >= due for backup in present)
    return Night(day, due, env.today(), proven, _busy(env, instance, day), attempts, present)


def run_request(env: EnvironmentContext, night: Night, task: Task, number: int) -> dg.RunRequest:
    """The run request for a task. Its key names the night and the attempt, so that it is launched once."""
    marked = night_tag(env, night.due)
    tags = {NIGHT: marked, TASK: str(task), "dagster/priority": "10"}
    if task is Task.ARCHIVE:
        return dg.RunRequest(
            f"{task} {marked} {number}",
            job_name=job_name(env, task),
            partition_key=night.day.isoformat(),
            tags=tags,
        )
    if task is not Task.BACKUP:
        return dg.RunRequest(
            f"{task} {marked}", job_name=job_name(env, task), tags=tags, run_config=_config(env, task)
        )
    if days := _missed(env, night.present):
        tags[MISSED] = " ".join(backup.isoformat() for backup in days)
    known = [*night.present, *removal_history.removed_backups(env)]
    full = schedule.full_seal_due(
        night.day, env.settings.full_seal_on, [backup.day for backup in known if backup.seal == "full"]
    )
    return dg.RunRequest(
        f"{task} {marked} {number}",
        job_name=job_name(env, task),
        partition_key=night.day.isoformat(),
        tags=tags,
        run_config=run_config(env, BackupRequest(full_seal=full)),
    )


def _config(env: EnvironmentContext, task: Task) -> dict[str, object]:
    if task is Task.ROTATE:
        # A nightly rotation confirms the environment, which the settings name, but no question of the plan.
        return run_config(env, RotateRequest(carry_out=True, environment=env.environment, confirm=""))
    return {}


def _missed(env: EnvironmentContext, present: Sequence[BackupSummary]) -> list[date]:
    """The days without a backup since the last one, for example because the machine was asleep."""
    days = {backup.day for backup in present}
    if not days:
        return []
    settings = env.settings
    return schedule.days_without_backup(env.ctx.clock(), settings.schedule, settings.zone, days, max(days))


def _busy(env: EnvironmentContext, instance: dg.DagsterInstance, day: date) -> bool:
    """Whether a run that does not belong to the night is making a backup of that day."""
    filters = dg.RunsFilter(tags={"dagster/partition": day.isoformat()}, statuses=_UNFINISHED)
    dump_key = asset_key(env, DUMP)
    return any(
        NIGHT not in run.tags
        and (run.job_name == job_name(env, Task.BACKUP) or dump_key in (run.asset_selection or ()))
        for run in instance.get_runs(filters)
    )


def _attempt(instance: dg.DagsterInstance, record: dg.RunRecord) -> Attempt:
    run = record.dagster_run
    task = Task(run.tags.get(TASK, Task.BACKUP))
    if not run.is_finished:
        return Attempt(task)
    ended = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
    succeeded = run.status is dg.DagsterRunStatus.SUCCESS
    return Attempt(task, ended, succeeded, not succeeded and _may_pass(instance, run))


def _may_pass(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a retry of a failed run may succeed: its step says so, or something other than a person ended
    the run from outside."""
    logged = instance.get_records_for_run(run.run_id, of_type=_FAILURE_EVENTS).records
    events = [
        event_record.event_log_entry.dagster_event
        for event_record in logged
        if event_record.event_log_entry.dagster_event
    ]
    if not has_failed(run, events):
        return False
    for event in events:
        data = event.step_failure_data if event.is_step_failure else None
        if data and data.user_failure_data and TRY_AGAIN in data.user_failure_data.metadata:
            return bool(data.user_failure_data.metadata[TRY_AGAIN].value)
        if data and data.error and data.error.cls_name not in INTERRUPTED:
            return False
    return True
