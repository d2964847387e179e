"""Between a Dagster run and an operation: who requested it, where to report, how an error is recorded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import dagster as dg

from ledgerflow_ops.adapters.system.clock import Throttle
from ledgerflow_ops.adapters.system.interruptions import redeliver_lost_interruptions
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.core.progress import Reporter, Step
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.context import EnvironmentContext

WHO = "ledgerflow/who"
WHY = "ledgerflow/why"
NIGHT = "ledgerflow/night"
"""The tag with the night that a run belongs to; its value is that of `nightly_state.night_tag`."""
TASK = "ledgerflow/task"
MISSED = "ledgerflow/missed"
"""The tag with the days without a backup directly before this run's, as dates separated by spaces."""
HOST = "ledgerflow/host"
"""The tag with the machine that a run at a terminal works on."""
RECHECK = "ledgerflow/recheck"
"""The tag of a run that an environment's watch has requested because a backup's files have changed."""
TRY_AGAIN = "try_again"
"""The key in a failure's metadata: whether a retry may succeed."""
TRIGGER, TERMINAL = "ledgerflow/trigger", "terminal"
"""The tag that says where a run was requested, and its value for a terminal."""

_AUTOMATION_TAGS = ("dagster/schedule_name", "dagster/sensor_name")
_EVERY_SECONDS = 5.0

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


class _Tee:
    """A reporter into the run's event log and to another reporter.

    Every line of the log is a row in Dagster's storage. Steps and progress are therefore logged at most every
    five seconds, so that a small backup writes few rows and a long one shows its progress.
    """

    def __init__(self, log: dg.DagsterLogManager, other: Reporter) -> None:
        self._log, self._other, self._step = log, other, ""
        self._pace = Throttle(_EVERY_SECONDS)

    def step(self, step: Step) -> None:
        self._step = step
        if self._pace.due():
            self._log.info(f"step: {step}")
        self._other.step(step)

    def moved(self, done: int, expected: int | None) -> None:
        if self._pace.due():
            of = f" of about {format_size(expected)}" if expected else ""
            self._log.info(f"{self._step}: {format_size(done)}{of}")
        self._other.moved(done, expected)

    def counted(self, done: int, of: int, what: str) -> None:
        if self._pace.due():
            self._log.info(f"{done:,} of {of:,} {what}")
        self._other.counted(done, of, what)

    def say(self, message: str) -> None:
        self._log.warning(message)
        self._other.say(message)

    def printed(self, line: str) -> None:
        self._log.info(line)
        self._other.printed(line)


def env_for_run(env: EnvironmentContext, context: Context) -> EnvironmentContext:
    """The environment's context for this run: it has the run's id, who and why, and reports into its log.

    From now on an interruption of the run is not lost, wherever in the process it is raised.
    """
    redeliver_lost_interruptions()
    run = RunFacts(run_id=context.run.run_id, who=who_asked(context.run), why=context.run.tags.get(WHY, ""))
    ctx = env.ctx
    return EnvironmentContext(
        type(ctx)(ctx.settings, _Tee(context.log, ctx.reporter), ctx.clock, run), env.environment
    )


def is_from_terminal(run: dg.DagsterRun) -> bool:
    """Whether the run was started at a terminal.

    The page copies the tags of a run that it re-executes, but a terminal re-executes none.
    """
    return run.tags.get(TRIGGER) == TERMINAL and not parent_of(run)


def who_asked(run: dg.DagsterRun) -> str:
    """Who requested the run: a person at a terminal, a schedule or a sensor; else Dagster's page."""
    person = run.tags.get(WHO) if is_from_terminal(run) or TRIGGER not in run.tags else None
    return next((name for name in (person, *map(run.tags.get, _AUTOMATION_TAGS)) if name), "dagster")


def parent_of(run: dg.DagsterRun) -> str | None:
    """The id of the run that this one re-executes; None if it re-executes none."""
    return run.parent_run_id or run.tags.get("dagster/parent_run_id")


def parent_run(context: Context) -> str | None:
    """The id of the run that this step's run re-executes; None if it re-executes none."""
    return parent_of(context.run)


def backup_of_run(env: EnvironmentContext, context: Context, dump_key: dg.AssetKey) -> BackupName:
    """The run's backup: the one that it, or a run that it re-executes, has made; else the day's newest.

    What the run made is read from its events, not from the folder: a dump that was damaged right after it was
    written must not be skipped in favour of an older, intact one. dg.Failure if the day has no backup.
    """
    made = _made(context, dump_key)
    if made:
        return made
    from ledgerflow_ops.operations import summaries

    day = _day(env, context)
    if newest := newest_of_day(env, day, summaries.list_dumps(env)):
        return newest
    raise dg.Failure(
        f"There is no backup of {env.environment} for {day}.",
        metadata={"hint": "Materialize the dump of that day first.", "exit_code": 1},
        allow_retries=False,
    )


def newest_of_day(env: EnvironmentContext, day: date, listed: Iterable[ListedDump]) -> BackupName | None:
    """The newest backup of the day among those that are listed, whatever its state; None without one."""
    instants = {dump.name: known for dump in listed if (known := day_and_instant(env, dump))}
    of_day = [name for name, (its_day, _) in instants.items() if its_day == day]
    return max(of_day, key=lambda name: instants[name][1], default=None)


def _day(env: EnvironmentContext, context: Context) -> date:
    """The run's backup day; dg.Failure if it has none, as when the button "Execute all" started it."""
    if context.has_partition_key:
        return date.fromisoformat(context.partition_key)
    raise dg.Failure(
        "This run has no backup day, and a check needs the backup of a day.",
        metadata={
            "hint": "Launch verify with the tag dagster/partition set to the day; "
            f"{make('verify', env.environment, FILE='latest')} reads the newest backup.",
            "exit_code": 2,
        },
        allow_retries=False,
    )


def _made(context: Context, dump_key: dg.AssetKey) -> BackupName | None:
    """The backup that this run, or one that it re-executes, has made or adopted; None without one."""
    run = context.run
    for run_id in dict.fromkeys((run.run_id, run.parent_run_id, run.root_run_id)):
        if run_id is None:
            continue
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        for record in context.instance.get_records_for_run(run_id, of_type=kind).records:
            made = record.asset_materialization
            if made and made.asset_key == dump_key:
                return BackupName.of(str(made.metadata["file"].value))
    return None


def day_and_instant(env: EnvironmentContext, dump: ListedDump) -> tuple[date, datetime] | None:
    """A backup's day and recovery point from its manifest, or from its name if the manifest is unusable."""
    if dump.summary:
        return dump.summary.day, dump.summary.recovery_point
    claimed = naming.claimed_instant(dump.name)
    return (claimed.date(), claimed.replace(tzinfo=env.settings.zone)) if claimed else None


@contextmanager
def failures_on_record(environment: str = "", retry: dg.RetryRequested | None = None) -> Iterator[None]:
    """Turns a LedgerError into a dg.Failure whose metadata holds the hint, for `environment`, and exit code.

    A transient error is retried by raising `retry`, if given. Bad settings, a refusal or a bad backup are
    never retried.
    """
    try:
        yield
    except LedgerError as error:
        failure = dg.Failure(
            error.message,
            metadata={
                "hint": str(error.hint.within(environment)),
                "exit_code": error.exit_code,
                "kind": type(error).__name__,
                TRY_AGAIN: error.may_pass,
            },
            allow_retries=error.may_pass,
        )
        if retry and error.may_pass:
            failure.__cause__ = error
            raise retry from failure
        raise failure from error
