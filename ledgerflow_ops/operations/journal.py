"""Puts operations on record: each writes one line when it has ended, however it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ledgerflow_ops.adapters import journal
from ledgerflow_ops.adapters.clock import Stopwatch
from ledgerflow_ops.adapters.process import mask
from ledgerflow_ops.core import journal as reading
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.journal import Asked, Entry
from ledgerflow_ops.operations.desk import Desk, Site

_WITHIN: ContextVar[str] = ContextVar("the operation at work", default="")


@contextmanager
def recorded(site: Site, what: str, *, part: bool = False) -> Iterator[dict[str, Any]]:
    """The block is the operation `what`; its line has what the block puts into the dictionary it is given.

    Whatever is done inside another operation belongs to that one's line, unless it is a `part` with a line
    of its own. A journal that cannot be written is told: it undoes nothing that has been done.
    """
    if _WITHIN.get() and not part:
        yield {}
        return
    began, watch, note = site.desk.clock(), Stopwatch(), dict[str, Any]()
    token, failure = _WITHIN.set(what), None
    try:
        with watch.phase("seconds"):
            yield note
    except BaseException as error:
        failure = error
        raise
    finally:
        _WITHIN.reset(token)
        ended = {"result": reading.result_of(failure), **_trouble(failure), **watch.durations, **note}
        _write(site, what, {"environment": str(site.environment), "began": began.isoformat(), **ended})


def _trouble(failure: BaseException | None) -> dict[str, str]:
    if failure is None or not isinstance(failure, Exception):
        return {}
    message = failure.message if isinstance(failure, LedgerError) else f"{type(failure).__name__}: {failure}"
    return {"error": mask(message)}


def _write(site: Site, what: str, fields: dict[str, Any]) -> None:
    try:
        site.desk.journal(what, fields)
    except LedgerError as error:
        site.desk.reporter.say(f"not noted in the journal: {error.message}")


def entries(desk: Desk, asked: Asked) -> list[Entry]:
    """What is on record, the oldest first."""
    return reading.chosen(journal.entries(desk.settings.state_dir), asked)
