"""What is known of an environment's night, read from Dagster's record and from the catalog."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from ledgerflow_ops.core import schedule
from ledgerflow_ops.core.night import Attempt, Night, Task
from ledgerflow_ops.core.summary import Summary
from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.defs.jobs import backup_job
from ledgerflow_ops.defs.outcomes import INTERRUPTED, has_failed
from ledgerflow_ops.defs.runs import MISSED, NIGHT, TASK, TRY_AGAIN
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.desk import Site

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_TELLING = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def mark(site: Site, due: datetime) -> str:
    """What the runs of one night have in common: the tag's value."""
    return f"{site.environment} {due.isoformat()}"


def job_name(site: Site, task: Task) -> str:
    """The job that carries a task out."""
    return f"{site.environment}_{task}"


def night_of(site: Site, instance: dg.DagsterInstance, day: date) -> Night:
    """All that `core.night` wants to know of the night whose backup is that of `day`."""
    due = schedule.due_at(day, site.settings.schedule, site.settings.zone)
    filters = dg.RunsFilter(tags={NIGHT: mark(site, due)})
    attempts = [_attempt(instance, record) for record in instance.get_run_records(filters)]
    return Night(day, due, site.today(), _proven(site, day, due), _busy(site, instance, day), attempts)


def request(site: Site, night: Night, task: Task, number: int) -> dg.RunRequest:
    """The run that is asked for. Its key is of the night and the attempt, so it never comes twice."""
    name, marked = str(site.environment), mark(site, night.due)
    tags = {NIGHT: marked, TASK: str(task), "dagster/priority": "10"}
    if task is not Task.BACKUP:
        return dg.RunRequest(
            f"{task} {marked}", job_name=job_name(site, task), tags=tags, run_config=_config(site, task)
        )
    present = summaries.present(site)
    if days := _missed(site, present):
        tags[MISSED] = " ".join(one.isoformat() for one in days)
    known = [*present, *summaries.past(site)]
    full = schedule.full_seal_due(
        night.day, site.settings.full_seal_on, [one.day for one in known if one.seal == "full"]
    )
    return dg.RunRequest(
        f"{task} {marked} {number}",
        job_name=job_name(site, task),
        partition_key=night.day.isoformat(),
        tags=tags,
        run_config={"ops": {f"{name}__dump": {"config": {"full_seal": full}}}},
    )


def _config(site: Site, task: Task) -> dict[str, object]:
    if task is Task.ROTATE:
        # The settings name the environment that has nights; what the plan asks, nobody answers.
        wanted = {"carry_out": True, "environment": str(site.environment), "confirm": ""}
        return {"ops": {f"{site.environment}__rotation": {"config": wanted}}}
    return {}


def _proven(site: Site, day: date, due: datetime) -> bool:
    return any(one.proven and one.day == day and one.recovery_point >= due for one in summaries.present(site))


def _missed(site: Site, present: Sequence[Summary]) -> list[date]:
    """The days without a backup since the last one: what a machine that was asleep has to tell."""
    days = {one.day for one in present}
    if not days:
        return []
    settings = site.settings
    return schedule.missed(site.desk.clock(), settings.schedule, settings.zone, days, max(days))


def _busy(site: Site, instance: dg.DagsterInstance, day: date) -> bool:
    """Whether a backup of that day is being made that is none of the night's."""
    filters = dg.RunsFilter(tags={"dagster/partition": day.isoformat()}, statuses=_UNFINISHED)
    dumped = key(site, "dump")
    return any(
        NIGHT not in run.tags and (run.job_name == backup_job(site) or dumped in (run.asset_selection or ()))
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
