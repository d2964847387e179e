"""Backups that come by themselves: a schedule that the page shows, and a sensor that looks after it.

The schedule asks when its hour comes. The sensor asks for what the schedule could not: after a sleep, in an
hour that the clock skipped or gave twice, after a run that was killed; and for what follows a proven backup.
Each asks in its own time (`night.Rhythm`), by the same facts, so a night never gets two backups.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.scheduler.instigation import InstigatorStatus

from ledgerflow_ops.core.schedule import schedule
from ledgerflow_ops.core.schedule.nightly_plan import Task, is_on_time, next_task
from ledgerflow_ops.defs.automation import nightly_state
from ledgerflow_ops.defs.names import HISTORY_SCHEDULE, job_name, night_name, schedule_name
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.operations.context import EnvironmentContext

Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def daily(env: EnvironmentContext, job: Job, timing: Timing) -> dg.ScheduleDefinition:
    """The environment's daily backup at its local time."""
    settings = env.settings
    at, zone = settings.schedule, settings.zone

    @dg.schedule(
        name=schedule_name(env),
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=settings.time_zone,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The daily backup with its proof. What it misses, the night's sensor catches up with.",
    )
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick, now = context.scheduled_execution_time.astimezone(UTC), env.ctx.clock()
        day = schedule.nearest_due_day(tick, at, zone)
        if day != env.today():
            return dg.SkipReason(f"{day} has passed: its backup cannot be made any more")
        night = nightly_state.night_of(env, context.instance, day)
        if not is_on_time(tick, night.due, now, timing.rhythm):
            return dg.SkipReason("not in time: what is missing, the night's sensor asks for")
        if night.proven or night.busy or night.attempts:
            return dg.SkipReason(f"the backup of {day} is made, or is being made")
        return nightly_state.run_request(env, night, Task.BACKUP, 1)

    return scheduled


def night(env: EnvironmentContext, jobs: Mapping[Task, Job], timing: Timing) -> dg.SensorDefinition:
    """Looks after the environment's night: a backup that is missing, the rotation, the rolling drill."""
    settings = env.settings

    @dg.sensor(
        name=night_name(env),
        jobs=list(jobs.values()),
        minimum_interval_seconds=timing.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One backup for today where the schedule could not; rotation and rolling drill after it.",
    )
    def looked_after(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = env.ctx.clock()
        day = schedule.last_due(now, settings.schedule, settings.zone)
        found = nightly_state.night_of(env, context.instance, day)
        decision = next_task(found, now, _offered(env, context.instance, jobs), timing.rhythm)
        if decision.task is None:
            return dg.SkipReason(decision.reason)
        context.log.info(decision.reason)
        return nightly_state.run_request(env, found, decision.task, decision.number)

    return looked_after


def _offered(
    env: EnvironmentContext, instance: dg.DagsterInstance, jobs: Mapping[Task, Job]
) -> Collection[Task]:
    """The tasks that may be asked for: whoever stops the schedule in the page stops the backups."""
    stopped = any(
        state.name == schedule_name(env) and state.status is InstigatorStatus.STOPPED
        for state in instance.all_instigator_state()
    )
    return {task for task in jobs if not (stopped and task is Task.BACKUP)}


def schedules(
    env: EnvironmentContext, jobs: Iterable[Job], timing: Timing
) -> tuple[dg.ScheduleDefinition, dg.SensorDefinition]:
    """What makes an environment's backups come by themselves, out of the jobs that it has. Where they shall
    not, nothing is registered: a default status would only be the one it begins with."""
    named = {job.name: job for job in jobs}
    tasks = {task: named[name] for task in Task if (name := job_name(env, task)) in named}
    if not env.settings.redrill_minutes:
        del tasks[Task.REDRILL]
    return daily(env, tasks[Task.BACKUP], timing), night(env, tasks, timing)


def tidying(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Once a week Dagster's own history is kept in bounds."""
    return dg.ScheduleDefinition(
        name=HISTORY_SCHEDULE,
        job=job,
        cron_schedule="15 5 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Removes runs, events and ticks older than dagster_history_days.",
    )
