"""Works at an archive location in bounded time, and says why one cannot be worked at."""

from collections.abc import Callable
from typing import TypeVar

from ledgerflow_ops.adapters.storage.stored_file import CHUNK
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat, run_bounded
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.context import EnvironmentContext

Result = TypeVar("Result")


def bounded(env: EnvironmentContext, at: EnvironmentContext, work: Callable[[Heartbeat], Result]) -> Result:
    """The result of work at a location; Unanswered (1) once it makes no progress for `stall_seconds`.

    A low rate limit is no standstill: progress is reported after each chunk.
    """
    rate = at.archive.rate_limit if at.archive else None
    patience = max(env.settings.stall_seconds, 2 * CHUNK / rate if rate else 0)
    return run_bounded(f"The archive location {place_name(at)}", work, patience)


def require_reachable(at: EnvironmentContext) -> None:
    """LedgerError (1) where the location is not there."""
    if not at.store.reachable():
        raise LedgerError(
            f"The archive location {place_name(at)} ({at.store.home}) is not there.",
            hint=Hint(
                "Is its disk mounted, its network up? Then ", make("archive"), " copies what is missing."
            ),
        )


def is_read_only(at: EnvironmentContext) -> bool:
    """Whether somebody else fills the location: this account may not write there."""
    return at.store.exists() and not at.store.writable()
