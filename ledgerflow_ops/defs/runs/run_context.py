"""Between a Dagster run and an operation: who asks, where to report, how an error is put on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import dagster as dg

from ledgerflow_ops.adapters.system.clock import Throttle
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
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
"""The night that a run was asked for, as `nights.mark` writes it."""
TASK = "ledgerflow/task"
MISSED = "ledgerflow/missed"
"""The days without a backup before this one, in the run that catches up."""
HOST = "ledgerflow/host"
"""The machine that a run at a terminal works on."""
TRY_AGAIN = "try_again"
"""In a failure's metadata: whether another attempt may succeed."""
TRIGGER, TERMINAL = "ledgerflow/trigger", "terminal"
"""The tag that says where a run was ordered, and its value for a person's terminal."""

_ASKERS = (WHO, "dagster/schedule_name", "dagster/sensor_name")
_EVERY_SECONDS = 5.0

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


class _Tee:
    """Reports into the run's event log and to whoever else listens.

    Every line of the log is a row in the storage: a small backup has no need of one per step, a long
    one tells where it is now and then.
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


def at_work(env: EnvironmentContext, context: Context) -> EnvironmentContext:
    """The site as this run uses it: signed with the run, reporting into its log."""
    tags = context.run.tags
    who = next((tags[name] for name in _ASKERS if tags.get(name)), "dagster")
    run = RunFacts(run_id=context.run.run_id, who=who, why=tags.get(WHY, ""))
    ctx = env.ctx
    return EnvironmentContext(
        type(ctx)(ctx.settings, _Tee(context.log, ctx.reporter), ctx.clock, run), env.environment
    )


def repeats(context: Context) -> str | None:
    """The run that this one executes again; None for one that stands by itself."""
    return context.run.parent_run_id or context.run.tags.get("dagster/parent_run_id")


def backup_of(env: EnvironmentContext, context: Context, dumped: dg.AssetKey) -> BackupName:
    """The backup this run is about: the one it (or the run it repeats) made, else the day's newest.

    What was made goes by the run's own record and not by what lies in the folder: a dump that was damaged
    the moment it was written must not be passed over for an older, whole one. dg.Failure when the day
    has none.
    """
    made = _made(context, dumped)
    if made:
        return made
    day = _day(env, context)
    from ledgerflow_ops.operations import catalog

    told = {entry.name: told for entry in catalog.entries(env) if (told := _told_instant(env, entry))}
    of_day = [name for name, (its_day, _) in told.items() if its_day == day]
    if of_day:
        return max(of_day, key=lambda name: told[name][1])
    raise dg.Failure(
        f"There is no backup of {env.environment} for {day}.",
        metadata={"hint": "Materialize the dump of that day first.", "exit_code": 1},
        allow_retries=False,
    )


def _day(env: EnvironmentContext, context: Context) -> date:
    """The run's backup day; dg.Failure in a run without one, as the button "Execute all" starts it."""
    if context.has_partition_key:
        return date.fromisoformat(context.partition_key)
    raise dg.Failure(
        "This run is about no day, and a verdict belongs to the backup of a day.",
        metadata={
            "hint": "Launch verify with the day as its tag dagster/partition; "
            f"{make('verify', env.environment)} reads the newest.",
            "exit_code": 2,
        },
        allow_retries=False,
    )


def _made(context: Context, dumped: dg.AssetKey) -> BackupName | None:
    """The backup that is on record as made (or adopted) by this run or by one that it repeats."""
    run = context.run
    for run_id in dict.fromkeys((run.run_id, run.parent_run_id, run.root_run_id)):
        if run_id is None:
            continue
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        for record in context.instance.get_records_for_run(run_id, of_type=kind).records:
            made = record.asset_materialization
            if made and made.asset_key == dumped:
                return BackupName.of(str(made.metadata["file"].value))
    return None


def _told_instant(env: EnvironmentContext, entry: CatalogEntry) -> tuple[date, datetime] | None:
    """A backup's day and recovery point, by its manifest, or where that is not whole by its name."""
    if entry.day and entry.recovery_point:
        return entry.day, entry.recovery_point
    claimed = naming.claimed_instant(entry.name)
    return (claimed.date(), claimed.replace(tzinfo=env.settings.zone)) if claimed else None


@contextmanager
def on_record(environment: str = "", again: dg.RetryRequested | None = None) -> Iterator[None]:
    """A LedgerError as a Dagster failure that carries its hint, on `environment`, and its exit code.

    Only what may pass by itself is tried `again`: bad settings, a refusal, a bad backup are not.
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
        if again and error.may_pass:
            failure.__cause__ = error
            raise again from failure
        raise failure from error
