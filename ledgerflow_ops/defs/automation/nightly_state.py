"""What is known of an environment's night, read from Dagster's record and from the catalog."""

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
_TELLING = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def mark(env: EnvironmentContext, due: datetime) -> str:
    """What the runs of one night have in common: the tag's value."""
    return f"{env.environment} {due.isoformat()}"


def night_of(env: EnvironmentContext, instance: dg.DagsterInstance, day: date) -> Night:
    """All that `core.schedule.nightly_plan` wants to know of the night whose backup is that of `day`."""
    due = schedule.due_at(day, env.settings.schedule, env.settings.zone)
    filters = dg.RunsFilter(tags={NIGHT: mark(env, due)})
    attempts = [_attempt(instance, record) for record in instance.get_run_records(filters)]
    present = summaries.present_backups(env)
    proven = any(one.proven and one.day == day and one.recovery_point >= due for one in present)
    return Night(day, due, env.today(), proven, _busy(env, instance, day), attempts, present)


def run_request(env: EnvironmentContext, night: Night, task: Task, number: int) -> dg.RunRequest:
    """The run that is asked for. Its key is of the night and the attempt, so it never comes twice."""
    marked = mark(env, night.due)
    tags = {NIGHT: marked, TASK: str(task), "dagster/priority": "10"}
    if task is not Task.BACKUP:
        return dg.RunRequest(
            f"{task} {marked}", job_name=job_name(env, task), tags=tags, run_config=_config(env, task)
        )
    if days := _missed(env, night.present):
        tags[MISSED] = " ".join(one.isoformat() for one in days)
    known = [*night.present, *removal_history.removed_backups(env)]
    full = schedule.full_seal_due(
        night.day, env.settings.full_seal_on, [one.day for one in known if one.seal == "full"]
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
        # The settings name the environment that has nights; what the plan asks, nobody answers.
        return run_config(env, RotateRequest(carry_out=True, environment=env.environment, confirm=""))
    return {}


def _missed(env: EnvironmentContext, present: Sequence[BackupSummary]) -> list[date]:
    """The days without a backup since the last one: what a machine that was asleep has to tell."""
    days = {one.day for one in present}
    if not days:
        return []
    settings = env.settings
    return schedule.days_without_backup(env.ctx.clock(), settings.schedule, settings.zone, days, max(days))


def _busy(env: EnvironmentContext, instance: dg.DagsterInstance, day: date) -> bool:
    """Whether a backup of that day is being made that is none of the night's."""
    filters = dg.RunsFilter(tags={"dagster/partition": day.isoformat()}, statuses=_UNFINISHED)
    dumped = asset_key(env, DUMP)
    return any(
        NIGHT not in run.tags
        and (run.job_name == job_name(env, Task.BACKUP) or dumped in (run.asset_selection or ()))
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
    """Whether what a run failed of may be gone the next time: by its steps; or it was ended from outside, but
    by no person, who does not want it again."""
    logged = instance.get_records_for_run(run.run_id, of_type=_TELLING).records
    events = [one.event_log_entry.dagster_event for one in logged if one.event_log_entry.dagster_event]
    if not has_failed(run, events):
        return False
    for event in events:
        data = event.step_failure_data if event.is_step_failure else None
        if data and data.user_failure_data and TRY_AGAIN in data.user_failure_data.metadata:
            return bool(data.user_failure_data.metadata[TRY_AGAIN].value)
        if data and data.error and data.error.cls_name not in INTERRUPTED:
            return False
    return True
