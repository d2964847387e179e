"""Between a Dagster run and an operation: who asks, where to report, how an error is put on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg

from ledgerflow_ops.adapters.clock import Pace
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.manifest import RunFacts
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.progress import Reporter, Step
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.desk import Site

WHO = "ledgerflow/who"
WHY = "ledgerflow/why"

_EVERY_SECONDS = 5.0

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


class _Tee:
    """Reports into the run's event log and to whoever else listens.

    Every line of the log is a row in the storage: a small backup has no need of one per step, a long
    one tells where it is now and then.
    """

    def __init__(self, log: dg.DagsterLogManager, other: Reporter) -> None:
        self._log, self._other, self._step = log, other, ""
        self._pace = Pace(_EVERY_SECONDS)

    def step(self, step: Step) -> None:
        self._step = step
        if self._pace.due():
            self._log.info(f"step: {step}")
        self._other.step(step)

    def moved(self, done: int, expected: int | None) -> None:
        if self._pace.due():
            of = f" of about {human(expected)}" if expected else ""
            self._log.info(f"{self._step}: {human(done)}{of}")
        self._other.moved(done, expected)

    def say(self, message: str) -> None:
        self._log.warning(message)
        self._other.say(message)


def at_work(site: Site, context: Context) -> Site:
    """The site as this run uses it: signed with the run, reporting into its log."""
    tags = context.run.tags
    who = tags.get(WHO) or tags.get("dagster/schedule_name") or "dagster"
    run = RunFacts(run_id=context.run.run_id, who=who, why=tags.get(WHY, ""))
    desk = site.desk
    return Site(
        type(desk)(desk.settings, _Tee(context.log, desk.reporter), desk.clock, run), site.environment
    )


def backup_of(site: Site, context: Context) -> BackupName:
    """The backup this run is about: the one it (or the run it repeats) made, else the day's newest.

    dg.Failure when the day has none.
    """
    day = date.fromisoformat(context.partition_key)
    of_day = [entry for entry in catalog.newest_first(site) if entry.day == day]
    runs = {context.run.run_id, context.run.root_run_id, context.run.parent_run_id}
    made = [entry for entry in of_day if entry.manifest and entry.manifest.run.run_id in runs]
    for entry in [*made, *of_day]:
        return entry.name
    raise dg.Failure(
        f"There is no backup of {site.environment} for {day}.",
        metadata={"hint": "Materialize the dump of that day first.", "exit_code": 1},
        allow_retries=False,
    )


@contextmanager
def on_record() -> Iterator[None]:
    """A LedgerError as a Dagster failure that carries its hint and its exit code.

    Only a plain failure (exit code 1) may pass by itself; the others are not mended by trying again.
    """
    try:
        yield
    except LedgerError as error:
        raise dg.Failure(
            error.message,
            metadata={"hint": error.hint, "exit_code": error.exit_code, "kind": type(error).__name__},
            allow_retries=error.exit_code == 1,
        ) from error
