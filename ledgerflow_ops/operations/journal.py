"""Records operations in the journal: each writes one line when it ends, with its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.presentation import journal_view
from ledgerflow_ops.core.presentation.journal_view import EntryFilter, JournalEntry
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_CURRENT_OPERATION: ContextVar[str] = ContextVar("current operation", default="")


@contextmanager
def recorded(env: EnvironmentContext, what: str, *, part: bool = False) -> Iterator[dict[str, Any]]:
    """Record the block as the operation `what`, with the fields that it puts into the yielded dictionary.

    An operation inside another one has no line of its own, unless it is a `part`. Where the journal cannot
    be written, the reporter says so; the operation stands. Durations are in seconds.
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
        ended = {
            "result": journal_view.result_of(failure),
            **_error_fields(failure),
            **watch.durations,
            **note,
        }
        _write(env, what, {"environment": str(env.environment), "began": began.isoformat(), **ended})


def _error_fields(failure: BaseException | None) -> dict[str, str]:
    if failure is None or not isinstance(failure, Exception):
        return {}
    message = failure.message if isinstance(failure, LedgerError) else f"{type(failure).__name__}: {failure}"
    return {"error": mask_secrets(message)}


def _write(env: EnvironmentContext, what: str, fields: dict[str, Any]) -> None:
    try:
        env.ctx.journal(what, fields)
    except LedgerError as error:
        env.ctx.reporter.say(f"not written to the journal: {error.message}")


def entries(ctx: OperationContext, wanted: EntryFilter) -> list[JournalEntry]:
    """The journal's entries that match, the oldest first."""
    return journal_view.select_entries(journal_file.read_entries(ctx.settings.state_dir), wanted)
