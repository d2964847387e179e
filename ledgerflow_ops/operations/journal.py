"""Puts operations on record: each writes one line when it has ended, however it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.adapters.system.process import mask
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.presentation import journal_view as reading
from ledgerflow_ops.core.presentation.journal_view import EntryFilter, JournalEntry
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_CURRENT_OPERATION: ContextVar[str] = ContextVar("the operation at work", default="")


@contextmanager
def recorded(env: EnvironmentContext, what: str, *, part: bool = False) -> Iterator[dict[str, Any]]:
    """The block is the operation `what`; its line has what the block puts into the dictionary it is given.

    Whatever is done inside another operation belongs to that one's line, unless it is a `part` with a line
    of its own. A journal that cannot be written is told: it undoes nothing that has been done.
    """
    if _CURRENT_OPERATION.get() and not part:
        yield {}
        return
    began, watch, note = env.ctx.clock(), Stopwatch(), dict[str, Any]()
    token, failure = _CURRENT_OPERATION.set(what), None
    try:
        with watch.phase("seconds"):
            yield note
    except BaseException as error:
        failure = error
        raise
    finally:
        _CURRENT_OPERATION.reset(token)
        ended = {"result": reading.result_of(failure), **_error_fields(failure), **watch.durations, **note}
        _write(env, what, {"environment": str(env.environment), "began": began.isoformat(), **ended})


def _error_fields(failure: BaseException | None) -> dict[str, str]:
    if failure is None or not isinstance(failure, Exception):
        return {}
    message = failure.message if isinstance(failure, LedgerError) else f"{type(failure).__name__}: {failure}"
    return {"error": mask(message)}


def _write(env: EnvironmentContext, what: str, fields: dict[str, Any]) -> None:
    try:
        env.ctx.journal(what, fields)
    except LedgerError as error:
        env.ctx.reporter.say(f"not noted in the journal: {error.message}")


def entries(ctx: OperationContext, asked: EntryFilter) -> list[JournalEntry]:
    """What is on record, the oldest first."""
    return reading.select_entries(journal_file.entries(ctx.settings.state_dir), asked)
