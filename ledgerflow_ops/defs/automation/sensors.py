"""The sensors that check health while the daemon runs: for each environment, the machine, and ended runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring.watches import MACHINE, RUNS
from ledgerflow_ops.core.progress import SilentReporter
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.automation import folder_changes
from ledgerflow_ops.defs.automation.folder_changes import FolderState
from ledgerflow_ops.defs.automation.quarantine_observation import read_quarantine
from ledgerflow_ops.defs.automation.schedules import Job
from ledgerflow_ops.defs.jobs.backup_choice import Changes, choice_changes
from ledgerflow_ops.defs.names import DATABASE, OWNERS, asset_key, watch_name
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.alerting.findings import Finding
    from ledgerflow_ops.core.monitoring import run_outcomes

_Event = dg.AssetCheckEvaluation | dg.AssetObservation

WATCH_SECONDS = 60
RUNS_SECONDS = 30


class _Log(SilentReporter):
    """Reports into the tick's log."""

    def __init__(self, context: dg.SensorEvaluationContext) -> None:
        self._context = context

    def say(self, message: str) -> None:
        self._context.log.warning(message)


def sensors(
    envs: Sequence[EnvironmentContext], jobs: Mapping[Environment, Sequence[Job]]
) -> list[dg.SensorDefinition]:
    """All watch sensors. `jobs` are those that an environment's watch may request."""
    watches = [_environment_watch(env.ctx, env.environment, jobs[env.environment]) for env in envs]
    return [*watches, _machine_watch(envs[0].ctx), runs_sensor(envs)]


def _machine_watch(ctx: OperationContext) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from ledgerflow_ops.operations.monitoring import monitor

        with _tick(context, ctx, MACHINE) as tick_ctx:
            return dg.SkipReason(_summary(monitor.watch_machine(tick_ctx)))

    return dg.SensorDefinition(
        watch_name(MACHINE),
        evaluation_fn=evaluate,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description="Checks the health of the machine, and sends one alert per problem.",
    )


def _environment_watch(
    ctx: OperationContext, environment: Environment, jobs: Sequence[Job]
) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from ledgerflow_ops.operations.monitoring import health_checks, monitor

        env, cursor = ctx.env(environment), _WatchCursor.parse(context.cursor)
        with _tick(context, ctx, environment) as tick_ctx:
            health = monitor.watch_environment(tick_ctx, environment)
        freshness = health.fresh or health_checks.check_environment_freshness(env)
        verdict = metadata.check_evaluation(freshness, asset_key(env, DATABASE))
        # Only a change is recorded, to avoid a row for every minute.
        events: list[_Event] = [] if cursor.fresh == str(freshness) else [verdict]
        folder, requests, choices = cursor.folder, list[dg.RunRequest](), Changes()
        if health.fresh:  # the folder could be read
            folder, requests = folder_changes.read_folder(env, context.instance, health.listed, cursor.folder)
            choices = choice_changes(env, context.instance, health.listed)
            quarantine, moves = read_quarantine(env, context.instance, folder.quarantine)
            folder, events = replace(folder, quarantine=quarantine), [*events, *moves]
        return dg.SensorResult(
            skip_reason=None if requests else _summary(health.findings),
            run_requests=requests,
            dynamic_partitions_requests=choices,
            asset_events=events,
            cursor=str(_WatchCursor(str(freshness), folder)),
        )

    return dg.SensorDefinition(
        watch_name(environment),
        evaluation_fn=evaluate,
        jobs=jobs,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=f"Checks the health of {environment}, and sends one alert per problem. Has a backup "
        "verified whose files have changed, and the catalog read again. Lists the backups to restore, and "
        "records moves into quarantine and back.",
    )


@dataclass(frozen=True, slots=True)
class _WatchCursor:
    """What a tick of an environment's watch leaves to the next one: the RPO's verdict, and the folder."""

    fresh: str = ""
    folder: FolderState = field(default_factory=FolderState)

    @classmethod
    def parse(cls, text: str | None) -> "_WatchCursor":
        """The stored cursor. The last line is the folder; earlier versions stored the verdict alone."""
        fresh, _, folder = (text or "").rpartition("\n")
        return cls(fresh, FolderState.parse(folder))

    def __str__(self) -> str:
        return f"{self.fresh}\n{self.folder}"


def runs_sensor(envs: Sequence[EnvironmentContext]) -> dg.SensorDefinition:
    """The sensor that alerts on failed runs, and on failed or missing checks, also of runs that succeeded."""
    ctx = envs[0].ctx

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with _tick(context, ctx, RUNS) as tick_ctx:
            summary = _process_ended_runs(context, tick_ctx, envs)
        return dg.SkipReason(summary)

    return dg.SensorDefinition(
        watch_name(RUNS),
        evaluation_fn=evaluate,
        minimum_interval_seconds=RUNS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description="Sends alerts on runs that failed, and on checks that failed or did not run.",
    )


@contextmanager
def _tick(
    context: dg.SensorEvaluationContext, ctx: OperationContext, name: str
) -> Iterator[OperationContext]:
    """One tick. The heartbeat comes last, so that a watch that fails sends none."""
    from ledgerflow_ops.operations.monitoring import monitor

    signed = RunFacts(run_id="", who=watch_name(name), why="")
    tick_ctx = OperationContext(ctx.settings, _Log(context), ctx.clock, signed)
    yield tick_ctx
    monitor.write_heartbeat(tick_ctx, name)


def _summary(findings: "Sequence[Finding]") -> str:
    if not findings:
        return "Nothing is wrong."
    return f"{count_of(len(findings), 'finding')}: " + " ".join(
        f"{finding.level}: {finding.message}" for finding in findings
    )


def _process_ended_runs(
    context: dg.SensorEvaluationContext, ctx: OperationContext, envs: Sequence[EnvironmentContext]
) -> str:
    """Report the findings of the runs that ended since the cursor, then advance the cursor; a summary."""
    from ledgerflow_ops.core.alerting.alert_policy import Omissions
    from ledgerflow_ops.core.monitoring import run_evidence, run_outcomes
    from ledgerflow_ops.defs.runs.run_records import Cursor, ended_since
    from ledgerflow_ops.operations.alerting import alerts, folder_evidence

    now = ctx.clock()
    before = alerts.findings_by_source(ctx, "run:")
    reported = {source for source, findings in before.items() if findings}
    begin = Cursor.parse(context.cursor, now).unless_lost(reported, now)
    runs, cursor = ended_since(context.instance, begin)
    open_findings: run_outcomes.OpenFindings = before
    for run in runs:
        open_findings = run_outcomes.findings_after(open_findings, run)
    open_findings = run_outcomes.without_expired(open_findings, _edges(envs, open_findings))
    open_findings = run_evidence.resolved_by_folders(
        open_findings, folder_evidence.read_evidence(envs, open_findings)
    )
    outdated = {finding.key for finding in run_outcomes.outdated(open_findings, now)}
    open_findings = {
        source: [finding for finding in findings if finding.key not in outdated]
        for source, findings in open_findings.items()
    }
    for source in run_outcomes.changed_sources(before, open_findings):
        alerts.report(ctx, source, open_findings[source], Omissions(outdated=outdated))
    left = frozenset(source for source, findings in open_findings.items() if findings)
    context.update_cursor(str(replace(cursor, left=left)))
    remaining = [finding for findings in open_findings.values() for finding in findings]
    return f"{count_of(len(runs), 'run')} ended since. {_summary(remaining)}"


def _edges(
    envs: Sequence[EnvironmentContext], open_findings: "run_outcomes.OpenFindings"
) -> dict[Environment, date]:
    """The first backup day of each environment that has an open finding."""
    about = {finding.environment for findings in open_findings.values() for finding in findings}
    return {
        env.environment: date.fromisoformat(backup_days(env).get_first_partition_key() or "")
        for env in envs
        if env.environment in about
    }
