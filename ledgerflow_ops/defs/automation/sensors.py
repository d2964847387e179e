"""What keeps watch while the daemon runs: one sensor for each environment, the machine, and runs that end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring.watches import MACHINE, RUNS
from ledgerflow_ops.core.progress import SilentReporter
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import DATABASE, asset_key, watch_name
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.alerting.findings import Finding
    from ledgerflow_ops.core.monitoring import run_outcomes

WATCH_SECONDS = 60
RUNS_SECONDS = 30


class _Log(SilentReporter):
    """Reports into the tick's log."""

    def __init__(self, context: dg.SensorEvaluationContext) -> None:
        self._context = context

    def say(self, message: str) -> None:
        self._context.log.warning(message)


def sensors(envs: Sequence[EnvironmentContext]) -> list[dg.SensorDefinition]:
    """All of them."""
    watches = [_watch(env.ctx, env.environment) for env in envs]
    return [*watches, _watch(envs[0].ctx, None), runs_sensor(envs)]


def _watch(ctx: OperationContext, environment: Environment | None) -> dg.SensorDefinition:
    name = environment or MACHINE

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from ledgerflow_ops.operations.monitoring import health_checks, monitor

        if environment is None:
            with _tick(context, ctx, name) as here:
                said = _seen(monitor.watch_machine(here))
            return dg.SensorResult(skip_reason=said)
        with _tick(context, ctx, name) as here:
            health = monitor.watch_environment(here, environment)
        found = health.fresh or health_checks.check_environment_freshness(ctx.env(environment))
        verdict = metadata.evaluation(found, asset_key(ctx.env(environment), DATABASE))
        # Only what has changed goes on record: not a row for every minute.
        events = [] if context.cursor == str(found) else [verdict]
        return dg.SensorResult(skip_reason=_seen(health.findings), asset_events=events, cursor=str(found))

    return dg.SensorDefinition(
        watch_name(name),
        evaluation_fn=evaluate,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks what is wrong with {environment or 'the machine'}, and tells it once.",
    )


def runs_sensor(envs: Sequence[EnvironmentContext]) -> dg.SensorDefinition:
    """Tells of runs that failed, and of failed and missing checks, also in runs that ended well."""
    ctx = envs[0].ctx

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with _tick(context, ctx, RUNS) as here:
            said = _runs(context, here, envs)
        return dg.SkipReason(said)

    return dg.SensorDefinition(
        watch_name(RUNS),
        evaluation_fn=evaluate,
        minimum_interval_seconds=RUNS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of runs that failed, and of checks that failed or were not carried out.",
    )


@contextmanager
def _tick(
    context: dg.SensorEvaluationContext, ctx: OperationContext, name: str
) -> Iterator[OperationContext]:
    """One tick; the sign of life comes last, so that there is none of a watch that fails."""
    from ledgerflow_ops.operations.monitoring import monitor

    signed = RunFacts(run_id="", who=watch_name(name), why="")
    here = OperationContext(ctx.settings, _Log(context), ctx.clock, signed)
    yield here
    monitor.write_heartbeat(here, name)


def _seen(findings: "Sequence[Finding]") -> str:
    if not findings:
        return "Nothing is wrong."
    return f"{len(findings)} finding(s): " + " ".join(f"{one.level}: {one.message}" for one in findings)


def _runs(
    context: dg.SensorEvaluationContext, ctx: OperationContext, envs: Sequence[EnvironmentContext]
) -> str:
    """Take in the runs that have ended, and report what they leave; the cursor moves after that."""
    from ledgerflow_ops.core.monitoring import run_outcomes
    from ledgerflow_ops.defs.runs.run_records import Cursor, ended_since
    from ledgerflow_ops.operations.alerting import alerts

    now = ctx.clock()
    before = alerts.findings_by_source(ctx, "run:")
    said = {source for source, findings in before.items() if findings}
    begin = Cursor.parse(context.cursor, now).unless_lost(said, now)
    runs, cursor = ended_since(context.instance, begin)
    standing: run_outcomes.OpenFindings = before
    for run in runs:
        standing = run_outcomes.findings_after(standing, run)
    standing = run_outcomes.without_expired(standing, _edges(envs, standing), now)
    for source in run_outcomes.changed_sources(before, standing):
        alerts.report(ctx, source, standing[source])
    told = frozenset(source for source, findings in standing.items() if findings)
    context.update_cursor(str(replace(cursor, left=told)))
    left = [one for findings in standing.values() for one in findings]
    return f"{len(runs)} run(s) ended since. {_seen(left)}"


def _edges(
    envs: Sequence[EnvironmentContext], standing: "run_outcomes.OpenFindings"
) -> dict[Environment, date]:
    """The first day of each environment of which something is on record."""
    about = {one.environment for findings in standing.values() for one in findings}
    return {
        env.environment: date.fromisoformat(backup_days(env).get_first_partition_key() or "")
        for env in envs
        if env.environment in about
    }
