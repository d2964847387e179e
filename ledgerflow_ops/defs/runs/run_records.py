"""Runs that have ended, read from Dagster's storage as the rest of the system speaks of them."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import WILL_RETRY_TAG

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.finished_run import INTERRUPTION, Failure
from ledgerflow_ops.core.hints import NO_HINT
from ledgerflow_ops.core.monitoring.run_outcomes import BACKUP, DRILL, VERIFY, EndedRun, RunResult
from ledgerflow_ops.core.sealed_records import parse_json
from ledgerflow_ops.defs import names
from ledgerflow_ops.defs.runs.run_context import TERMINAL, TRIGGER
from ledgerflow_ops.defs.runs.run_results import checks_of, failure_of, has_failed, missing_checks

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_FIRST_LOOK, _WEEK = timedelta(days=1), timedelta(days=7)
_OVERLAP = timedelta(minutes=10)
"""A run notes its end a moment before the storage shows it, and the machine may sleep in between."""
_AT_ONCE = 100
_ANY_ASSETS = "__ASSET_JOB"
"""How Dagster calls a run of assets that belongs to no job: a backfill's, a click's."""
_TELLING = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the runs have been read: until when, and which of the last ones; and of which sources they
    left findings among the open alerts."""

    until: datetime
    seen: frozenset[str] = field(default_factory=frozenset)
    left: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, text: str | None, now: datetime) -> "Cursor":
        """The cursor as it was kept. Without one, and where it lies ahead of the clock, it begins anew."""
        try:
            kept = parse_json(text or "")
            until = datetime.fromisoformat(kept["until"])
            if until <= now + _OVERLAP:
                return cls(until, frozenset(kept["seen"]), frozenset(kept.get("left", ())))
        except (ValueError, KeyError, TypeError):
            pass
        return cls(now - _FIRST_LOOK)

    def unless_lost(self, said: Collection[str], now: datetime) -> "Cursor":
        """This cursor, or one of a week ago where the sources of `said` are not all that it left: the record
        of alerts was lost, and nobody else says again what was wrong with a run."""
        return self if self.left.issubset(said) else Cursor(min(self.until, now - _WEEK))

    def __str__(self) -> str:
        kept = {"seen": sorted(self.seen), "left": sorted(self.left)}
        return json.dumps({"until": self.until.isoformat(), **kept})


def ended_since(
    instance: dg.DagsterInstance, cursor: Cursor, limit: int = _AT_ONCE
) -> tuple[list[EndedRun], Cursor]:
    """The runs that ended after the cursor, in the order in which they did, and the cursor behind them.

    Every way to order a run is in there: schedules, clicks, backfills, terminals. (Dagster's own run status
    sensors each see one status in an order of their own, and none of the runs of a terminal.) `limit` is
    how many are read at once; the rest comes the next time.
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
    # What ended long ago was only touched now: a tag was added.
    found = [
        _ended(instance, record) for record in fresh if _end(record) > since and not _tried_again(record)
    ]
    return sorted(found, key=lambda run: run.at), Cursor(until, frozenset(recent))


def _end(record: RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _tried_again(record: RunRecord) -> bool:
    """Whether a retry of the run was promised: it speaks for both."""
    return record.dagster_run.tags.get(WILL_RETRY_TAG) == "true"


def _ended(instance: dg.DagsterInstance, record: RunRecord) -> EndedRun:
    run = record.dagster_run
    logged = instance.get_records_for_run(run.run_id, of_type=_TELLING).records
    events = [one.event_log_entry.dagster_event for one in logged if one.event_log_entry.dagster_event]
    environment, verb = _named(run)
    by_hand = run.tags.get(TRIGGER) == TERMINAL
    fate, failure = _fate(run, events, by_hand=by_hand)
    return EndedRun(
        run_id=run.run_id,
        environment=environment,
        verb=verb,
        day=_day(run.tags.get("dagster/partition")),
        fate=fate,
        at=_end(record),
        checks=checks_of(events),
        missing=missing_checks(events),
        by_hand=by_hand,
        message=failure.message,
        hint=failure.hint,
        exit_code=failure.exit_code,
    )


def _fate(run: dg.DagsterRun, events: list[dg.DagsterEvent], *, by_hand: bool) -> tuple[RunResult, Failure]:
    """How a run ended, and why it failed if it did.

    An interruption is a person's will only at a terminal: elsewhere it is how Dagster ends what takes too
    long, or how the machine ends all.
    """
    if not has_failed(run, events):
        return RunResult(run.status.value.lower()), Failure("", NO_HINT, 1)
    failure = failure_of(events)
    if failure == INTERRUPTION and by_hand:
        return RunResult.CANCELED, failure
    return RunResult.FAILURE, _dagsters(events) if failure in (None, INTERRUPTION) else failure


def _dagsters(events: list[dg.DagsterEvent]) -> Failure:
    """Why a run failed in which no step did: it took too long, its process was gone."""
    told = [event.message for event in events if event.event_type is dg.DagsterEventType.RUN_FAILURE]
    return Failure(next((text for text in told if text), "Dagster does not say why."), NO_HINT, 1)


def _named(run: dg.DagsterRun) -> tuple[Environment | None, str]:
    """Whose the run is, and what it does. A run of assets does what the job with those assets does."""
    if named := names.parsed_job(run.job_name):
        return named
    if run.job_name != _ANY_ASSETS:
        return None, run.job_name.removesuffix("_job")
    keys = [*(run.asset_selection or ()), *(one.asset_key for one in run.asset_check_selection or ())]
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
