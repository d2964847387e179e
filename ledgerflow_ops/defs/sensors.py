"""What keeps watch while the daemon runs: one sensor for each environment, the machine, and runs that end."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import dagster as dg

from ledgerflow_ops.core import ended
from ledgerflow_ops.core.alerts import Finding
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.manifest import RunFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.defs import metadata
from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.defs.partitions import backup_days
from ledgerflow_ops.defs.run_records import Cursor, ended_since
from ledgerflow_ops.operations import alerts, watch, watching
from ledgerflow_ops.operations.desk import Desk, Site

WATCH_SECONDS = 60
RUNS_SECONDS = 30


class _Log:
    """Reports into the tick's log."""

    def __init__(self, context: dg.SensorEvaluationContext) -> None:
        self._context = context

    def step(self, step: Step) -> None:
        pass

    def moved(self, done: int, expected: int | None) -> None:
        pass

    def counted(self, done: int, of: int, what: str) -> None:
        pass

    def say(self, message: str) -> None:
        self._context.log.warning(message)


def sensors(sites: Sequence[Site]) -> list[dg.SensorDefinition]:
    """All of them."""
    watches = [_watch(site.desk, site.environment) for site in sites]
    return [*watches, _watch(sites[0].desk, None), runs_sensor(sites)]


def _watch(desk: Desk, environment: Environment | None) -> dg.SensorDefinition:
    name = environment or watching.MACHINE

    def look(here: Desk) -> list[Finding]:
        return watching.environment(here, environment) if environment else watching.machine(here)

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        said = _ticked(context, desk, str(name), lambda here: _seen(look(here)))
        if environment is None:
            return dg.SensorResult(skip_reason=said)
        found = watch.fresh(desk.site(environment))
        verdict = metadata.evaluation(found, key(desk.site(environment), "database"))
        # Only what has changed goes on record: not a row for every minute.
        events = [] if context.cursor == str(found) else [verdict]
        return dg.SensorResult(skip_reason=said, asset_events=events, cursor=str(found))

    return dg.SensorDefinition(
        f"{name}_watch",
        evaluation_fn=evaluate,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks what is wrong with {environment or 'the machine'}, and tells it once.",
    )


def runs_sensor(sites: Sequence[Site]) -> dg.SensorDefinition:
    """Tells of runs that failed, and of failed and missing checks, also in runs that ended well."""
    desk = sites[0].desk

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return _ticked(context, desk, watching.RUNS, lambda here: _runs(context, here, sites))

    return dg.SensorDefinition(
        f"{watching.RUNS}_watch",
        evaluation_fn=evaluate,
        minimum_interval_seconds=RUNS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of runs that failed, and of checks that failed or were not carried out.",
    )


def _ticked(
    context: dg.SensorEvaluationContext, desk: Desk, name: str, work: Callable[[Desk], str]
) -> dg.SkipReason:
    """One tick; the sign of life comes last, so that there is none of a watch that fails."""
    signed = RunFacts(run_id="", who=f"{name}_watch", why="")
    here = Desk(desk.settings, _Log(context), desk.clock, signed)
    seen = work(here)
    watching.beat(here, name)
    return dg.SkipReason(seen)


def _seen(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing is wrong."
    return f"{len(findings)} finding(s): " + " ".join(f"{one.level}: {one.message}" for one in findings)


def _runs(context: dg.SensorEvaluationContext, desk: Desk, sites: Sequence[Site]) -> str:
    """Take in the runs that have ended, and report what they leave; the cursor moves after that."""
    now = desk.clock()
    before = alerts.said(desk, "run:")
    said = {source for source, findings in before.items() if findings}
    begin = Cursor.parse(context.cursor, now).unless_lost(said, now)
    runs, cursor = ended_since(context.instance, begin)
    standing: ended.Standing = before
    for run in runs:
        standing = ended.after(standing, run)
    standing = ended.aged(standing, _edges(sites, standing), now)
    for source in ended.changed(before, standing):
        alerts.report(desk, source, standing[source])
    told = frozenset(source for source, findings in standing.items() if findings)
    context.update_cursor(str(replace(cursor, left=told)))
    left = [one for findings in standing.values() for one in findings]
    return f"{len(runs)} run(s) ended since. {_seen(left)}"


def _edges(sites: Sequence[Site], standing: ended.Standing) -> dict[Environment, date]:
    """The first day of each environment of which something is on record."""
    about = {one.environment for findings in standing.values() for one in findings}
    return {
        site.environment: date.fromisoformat(backup_days(site).get_first_partition_key() or "")
        for site in sites
        if site.environment in about
    }
