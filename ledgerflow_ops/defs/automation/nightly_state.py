"""What is known of an environment's night, read from Dagster's record and from the catalog."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.core.schedule.nightly_plan import Attempt, Night, Task
from ledgerflow_ops.defs.assets.backup_chain import key
from ledgerflow_ops.defs.jobs.jobs import backup_job
from ledgerflow_ops.defs.runs.run_context import MISSED, NIGHT, TASK, TRY_AGAIN
from ledgerflow_ops.defs.runs.run_results import INTERRUPTED, has_failed
from ledgerflow_ops.operations import summaries
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


def job_name(env: EnvironmentContext, task: Task) -> str:
    """The job that carries a task out."""
    return f"{env.environment}_{task}"


def night_of(env: EnvironmentContext, instance: dg.DagsterInstance, day: date) -> Night:
    """All that `core.schedule.nightly_plan` wants to know of the night whose backup is that of `day`."""
    due = schedule.due_at(day, env.settings.schedule, env.settings.zone)
    filters = dg.RunsFilter(tags={NIGHT: mark(env, due)})
    attempts = [_attempt(instance, record) for record in instance.get_run_records(filters)]
    return Night(day, due, env.today(), _proven(env, day, due), _busy(env, instance, day), attempts)


def request(env: EnvironmentContext, night: Night, task: Task, number: int) -> dg.RunRequest:
    """The run that is asked for. Its key is of the night and the attempt, so it never comes twice."""
    name, marked = str(env.environment), mark(env, night.due)
    tags = {NIGHT: marked, TASK: str(task), "dagster/priority": "10"}
    if task is not Task.BACKUP:
        return dg.RunRequest(
            f"{task} {marked}", job_name=job_name(env, task), tags=tags, run_config=_config(env, task)
        )
    present = summaries.present(env)
    if days := _missed(env, present):
        tags[MISSED] = " ".join(one.isoformat() for one in days)
    known = [*present, *summaries.past(env)]
    full = schedule.full_seal_due(
        night.day, env.settings.full_seal_on, [one.day for one in known if one.seal == "full"]
    )
    return dg.RunRequest(
        f"{task} {marked} {number}",
        job_name=job_name(env, task),
        partition_key=night.day.isoformat(),
        tags=tags,
        run_config={"ops": {f"{name}__dump": {"config": {"full_seal": full}}}},
    )


def _config(env: EnvironmentContext, task: Task) -> dict[str, object]:
    if task is Task.ROTATE:
        # The settings name the environment that has nights; what the plan asks, nobody answers.
        wanted = {"carry_out": True, "environment": str(env.environment), "confirm": ""}
        return {"ops": {f"{env.environment}__rotation": {"config": wanted}}}
    return {}


def _proven(env: EnvironmentContext, day: date, due: datetime) -> bool:
    return any(one.proven and one.day == day and one.recovery_point >= due for one in summaries.present(env))


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
    dumped = key(env, "dump")
    return any(
        NIGHT not in run.tags and (run.job_name == backup_job(env) or dumped in (run.asset_selection or ()))
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
