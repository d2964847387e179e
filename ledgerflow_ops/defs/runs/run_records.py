"""Reads ended runs from Dagster's storage and converts them to `EndedRun`."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import BACKFILL_ID_TAG, WILL_RETRY_TAG

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.finished_run import INTERRUPTION, Failure
from ledgerflow_ops.core.hints import NO_HINT
from ledgerflow_ops.core.monitoring.run_evidence import ARCHIVE, BACKUP, DRILL, VERIFY
from ledgerflow_ops.core.monitoring.run_outcomes import EndedRun, RunResult
from ledgerflow_ops.core.sealed_records import parse_json
from ledgerflow_ops.defs import names
from ledgerflow_ops.defs.runs.run_context import is_from_terminal
from ledgerflow_ops.defs.runs.run_results import (
    JudgedBackup,
    backup_file,
    failure_of,
    has_failed,
    judged_backups,
    missing_checks,
)

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_FIRST_SPAN, _WEEK = timedelta(days=1), timedelta(days=7)
_OVERLAP = timedelta(minutes=10)
"""How far before the cursor runs are read again: a run's end time is set before the storage shows it, and the
machine may sleep in between."""
_BATCH = 100
_ANY_ASSETS = "__ASSET_JOB"
"""Dagster's job name for a run of assets without a job, started by a backfill or in the page."""
_RELEVANT_EVENTS = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the runs have been read.

    `until` is the newest update read (UTC), `seen` holds the ids of runs within the overlap before it, and
    `left` the sources that still have open findings.
    """

    until: datetime
    seen: frozenset[str] = field(default_factory=frozenset)
    left: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, text: str | None, now: datetime) -> "Cursor":
        """The stored cursor; a new one, of a day ago, if `text` is none or lies ahead of the clock."""
        try:
            saved = parse_json(text or "")
            until = datetime.fromisoformat(saved["until"])
            if until <= now + _OVERLAP:
                return cls(until, frozenset(saved["seen"]), frozenset(saved.get("left", ())))
        except (ValueError, KeyError, TypeError):
            pass
        return cls(now - _FIRST_SPAN)

    def unless_lost(self, reported: Collection[str], now: datetime) -> "Cursor":
        """This cursor; or one of a week ago, if `reported` lacks a source that this cursor left.

        Then the state of alerts was lost, and only the runs themselves still show what was wrong.
        """
        return self if self.left.issubset(reported) else Cursor(min(self.until, now - _WEEK))

    def __str__(self) -> str:
        sets = {"seen": sorted(self.seen), "left": sorted(self.left)}
        return json.dumps({"until": self.until.isoformat(), **sets})


def ended_since(
    instance: dg.DagsterInstance, cursor: Cursor, limit: int = _BATCH
) -> tuple[list[EndedRun], Cursor]:
    """The runs that ended after the cursor, ordered by their end, and the new cursor.

    Includes runs however they were started: by schedules, in the page, by backfills, at terminals. (Each of
    Dagster's run status sensors sees one status, in an order of its own, and no runs of terminals.) At most
    `limit` runs are read; the rest follows in the next call.
    """
    since = cursor.until - _OVERLAP
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_after=since),
        limit=limit + len(cursor.seen),
        order_by="update_timestamp",
        ascending=True,
    )
    fresh = [record for record in records if record.dagster_run.run_id not in cursor.seen]
    until = max((record.update_timestamp for record in records), default=cursor.until)
    recent = {record.dagster_run.run_id for record in records if record.update_timestamp > until - _OVERLAP}
    # A run that ended long ago is listed because it was updated since, for example by a new tag.
    ended = [
        run
        for record in fresh
        if _end(record) > since and not _is_retried(record)
        for run in _ended(instance, record)
    ]
    return sorted(ended, key=lambda run: run.at), Cursor(until, frozenset(recent))


def _end(record: RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _is_retried(record: RunRecord) -> bool:
    """Whether Dagster will retry the run: then the retry is reported in its place."""
    return record.dagster_run.tags.get(WILL_RETRY_TAG) == "true"


def _ended(instance: dg.DagsterInstance, record: RunRecord) -> list[EndedRun]:
    """The run as it ended; where its checks were about several backups, once for each, and for itself."""
    run = record.dagster_run
    logged = instance.get_records_for_run(run.run_id, of_type=_RELEVANT_EVENTS).records
    events = [
        event_record.event_log_entry.dagster_event
        for event_record in logged
        if event_record.event_log_entry.dagster_event
    ]
    environment, verb = _environment_and_verb(run)
    by_hand = is_from_terminal(run)
    fate, failure = _fate(run, events, by_hand=by_hand)
    whole = EndedRun(
        run_id=run.run_id,
        environment=environment,
        verb=verb,
        day=_day(run.tags.get("dagster/partition")),
        fate=fate,
        at=_end(record),
        missing=missing_checks(events),
        by_hand=by_hand,
        message=failure.message,
        hint=failure.hint,
        exit_code=failure.exit_code,
        backfill=run.tags.get(BACKFILL_ID_TAG, ""),
    )
    judged = judged_backups(events)
    if len(judged) <= 1:
        backup, checks = next(iter(judged.items()), (JudgedBackup(backup_file(events)), ()))
        return [replace(whole, checks=checks, backup=backup.file or backup_file(events))]
    parts = [
        replace(whole, checks=checks, backup=backup.file, day=_day(backup.day) or whole.day, missing=())
        for backup, checks in judged.items()
    ]
    return [*map(_judged_alone, parts), _without_verdicts(whole, parts)]


def _judged_alone(part: EndedRun) -> EndedRun:
    """One backup's part of a run: it failed where one of its own checks did."""
    bad = any(check.fatal for check in part.checks)
    return replace(part, fate=RunResult.FAILURE if bad else RunResult.SUCCESS)


def _without_verdicts(whole: EndedRun, parts: Sequence[EndedRun]) -> EndedRun:
    """The run without what its backups' checks have said already. Copies fail with a warning."""
    told = [check for part in parts for check in part.checks if not check.passed]
    explained = any(check.fatal for check in told) or bool(told and whole.verb == ARCHIVE)
    return replace(whole, fate=RunResult.SUCCESS) if explained else whole


def _fate(run: dg.DagsterRun, events: list[dg.DagsterEvent], *, by_hand: bool) -> tuple[RunResult, Failure]:
    """How a run ended, and its failure.

    An interruption counts as canceled only at a terminal. Elsewhere it is a failure: Dagster's time limit or
    a shutdown of the machine ended the run.
    """
    if not has_failed(run, events):
        return RunResult(run.status.value.lower()), Failure("", NO_HINT, 1)
    failure = failure_of(events)
    if failure == INTERRUPTION and by_hand:
        return RunResult.CANCELED, failure
    return RunResult.FAILURE, _failure_of_run(events) if failure in (None, INTERRUPTION) else failure


def _failure_of_run(events: list[dg.DagsterEvent]) -> Failure:
    """Why a run failed although no step did, for example because of the time limit or a lost process."""
    messages = [event.message for event in events if event.event_type is dg.DagsterEventType.RUN_FAILURE]
    return Failure(next((text for text in messages if text), "Dagster gives no reason."), NO_HINT, 1)


def _environment_and_verb(run: dg.DagsterRun) -> tuple[Environment | None, str]:
    """The run's environment and verb. A run of assets has the verb of the job with those assets."""
    if named := names.parsed_job(run.job_name):
        return named
    if run.job_name != _ANY_ASSETS:
        return None, run.job_name.removesuffix("_job")
    keys = [*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())]
    owners = {key.path[0] for key in keys if key.path[0] in set(Environment)}
    assets = {key.path[-1] for key in run.asset_selection or ()}
    if len(owners) != 1:
        return None, "+".join(sorted(assets)) or "assets"
    verb = next((verb for name, verb in ((names.DUMP, BACKUP), (names.DRILL, DRILL)) if name in assets), "")
    return Environment(owners.pop()), verb or ("+".join(sorted(assets)) if assets else VERIFY)


def _day(partition: str | None) -> date | None:
    try:
        return date.fromisoformat(partition or "")
    except ValueError:
        return None
