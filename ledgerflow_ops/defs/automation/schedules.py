"""Automatic backups: a schedule for the daily backup, and a sensor for what the schedule misses.

The schedule requests the backup at its hour. The sensor requests it when the schedule could not: after the
machine slept, in an hour that a clock change skipped or repeated, after a run that was killed. It also
requests what follows a proven backup. Both decide by the same facts, each within its own time
(`nightly_plan.RetryPolicy`), so a night never gets two backups.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.scheduler.instigation import InstigatorStatus

from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.core.schedule.nightly_plan import Task, is_on_time, next_task
from ledgerflow_ops.defs.automation import nightly_state
from ledgerflow_ops.defs.names import (
    AUDIT,
    HISTORY_SCHEDULE,
    KEY_DRILL,
    OWNERS,
    audit_schedule_name,
    job_name,
    key_drill_schedule_name,
    night_name,
    schedule_name,
)
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.operations.context import EnvironmentContext

Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def daily_schedule(env: EnvironmentContext, job: Job, timing: Timing) -> dg.ScheduleDefinition:
    """The environment's daily backup at its local time."""
    settings = env.settings
    at, zone = settings.schedule, settings.zone

    @dg.schedule(
        name=schedule_name(env),
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=settings.time_zone,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description="The daily backup and its drill. A sensor requests what this schedule misses.",
    )
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick, now = context.scheduled_execution_time.astimezone(UTC), env.ctx.clock()
        day = schedule.nearest_due_day(tick, at, zone)
        if day != env.today():
            return dg.SkipReason(f"{day} has passed: its backup can no longer be taken")
        night = nightly_state.read_night(env, context.instance, day)
        if not is_on_time(tick, night.due, now, timing.nightly):
            return dg.SkipReason("outside of the schedule's time: the sensor requests what is missing")
        if night.proven or night.busy or night.attempts:
            return dg.SkipReason(f"the backup of {day} was made or is being made")
        return nightly_state.run_request(env, night, Task.BACKUP, 1)

    return scheduled


def night_sensor(env: EnvironmentContext, jobs: Mapping[Task, Job], timing: Timing) -> dg.SensorDefinition:
    """The sensor that requests an environment's missing backup, its rotation and its rolling drill."""
    settings = env.settings

    @dg.sensor(
        name=night_name(env),
        jobs=list(jobs.values()),
        minimum_interval_seconds=timing.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description="Requests the backup if the schedule could not, then copies, rotation, rolling drill.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = env.ctx.clock()
        day = schedule.last_due(now, settings.schedule, settings.zone)
        state = nightly_state.read_night(env, context.instance, day)
        decision = next_task(state, now, _available_tasks(env, context.instance, jobs), timing.nightly)
        if decision.task is None:
            return dg.SkipReason(decision.reason)
        context.log.info(decision.reason)
        return nightly_state.run_request(env, state, decision.task, decision.number)

    return evaluate


def _available_tasks(
    env: EnvironmentContext, instance: dg.DagsterInstance, jobs: Mapping[Task, Job]
) -> Collection[Task]:
    """The tasks that may be requested. Stopping the schedule in the page stops the sensor's backups too."""
    stopped = any(
        state.name == schedule_name(env) and state.status is InstigatorStatus.STOPPED
        for state in instance.all_instigator_state()
    )
    return {task for task in jobs if not (stopped and task is Task.BACKUP)}


def schedule_and_sensor(
    env: EnvironmentContext, jobs: Iterable[Job], timing: Timing
) -> tuple[dg.ScheduleDefinition, dg.SensorDefinition]:
    """An environment's schedule and sensor for its jobs.

    For an environment that is not scheduled neither is registered. A default status would not do: it applies
    only until somebody switches the schedule on or off.
    """
    named = {job.name: job for job in jobs}
    tasks = {task: named[name] for task in Task if (name := job_name(env, task)) in named}
    if not env.settings.redrill_minutes:
        del tasks[Task.REDRILL]
    return daily_schedule(env, tasks[Task.BACKUP], timing), night_sensor(env, tasks, timing)


def audit_schedule(env: EnvironmentContext, jobs: Iterable[Job]) -> dg.ScheduleDefinition:
    """The daily check of an environment's history, twelve hours after its backup."""
    text = "Compares the backups with their signed history."
    return _after_backup(env, audit_schedule_name(env), _job(env, jobs, AUDIT), 12, "*", text)


def key_drill_schedule(env: EnvironmentContext, jobs: Iterable[Job]) -> dg.ScheduleDefinition:
    """The weekly key-survival drill, on Wednesdays, eight hours after the backup."""
    text = "Opens every backup with the escrowed identity alone, and restores one."
    return _after_backup(env, key_drill_schedule_name(env), _job(env, jobs, KEY_DRILL), 8, "3", text)


def _job(env: EnvironmentContext, jobs: Iterable[Job], verb: str) -> Job:
    """The one of an environment's jobs that has this verb."""
    return next(job for job in jobs if job.name == job_name(env, verb))


def _after_backup(
    env: EnvironmentContext, name: str, job: Job, hours: int, weekday: str, text: str
) -> dg.ScheduleDefinition:
    """A schedule so many hours of the clock after the daily backup. `weekday` is cron's: `*` is every day."""
    at = env.settings.schedule
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=f"{at.minute} {(at.hour + hours) % 24} * * {weekday}",
        execution_timezone=env.settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description=text,
    )


def history_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The weekly schedule of the job that removes Dagster's old history."""
    return dg.ScheduleDefinition(
        name=HISTORY_SCHEDULE,
        job=job,
        cron_schedule="15 5 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description="Removes runs, events and ticks older than dagster_history_days.",
    )
