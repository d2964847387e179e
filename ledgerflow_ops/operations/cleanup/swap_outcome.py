"""Determines the outcome of a swap whose commit was not confirmed: done, not done, or not known yet."""

from collections.abc import Sequence

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.load import restore_server, swap_state
from ledgerflow_ops.adapters.load.restore_server import DatabaseRename
from ledgerflow_ops.core.errors import LedgerError, Pending
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.core.postgres.session_activity import Limits

BRIEF_LIMITS = Limits(stall=8.0, lock=4.0)
"""Limits (seconds) for queries to a server that may hang, by a process that is about to end."""


def require_done(maintenance: Database, renames: Sequence[DatabaseRename], error: BaseException) -> None:
    """Return if the swap took place nevertheless; raise `error` again if it did not.

    Pending where the server does not answer, and where we were interrupted after the swap had taken place:
    the next command then finishes what belongs to it.
    """
    last = renames[-1]
    try:
        with maintenance.with_limits(BRIEF_LIMITS).connect() as connection:
            pid = swap_state.end_swap(connection, last.old, BRIEF_LIMITS.answer)
            done = not restore_server.database_exists(connection, last.old)
    except LedgerError:
        raise _unknown_outcome(renames, "the server does not answer") from None
    if pid is not None:
        raise _unknown_outcome(renames, f"process {pid} at the server holds it and does not end") from None
    if not done:
        raise error
    if not isinstance(error, Exception):
        raise Pending(
            f"Interrupted just after the swap: {last.new} is what was {last.old}.",
            hint=Hint(
                make("status"),
                " shows what is live now and what was kept; ",
                make("rollback"),
                " swaps back.",
            ),
        ) from None


def require_ended(connection: Connection, names: Sequence[str]) -> None:
    """Pending where an abandoned swap of one of these databases has not ended."""
    for name in names:
        if pid := swap_state.end_swap(connection, name, BRIEF_LIMITS.answer):
            raise Pending(
                f"An abandoned swap of {name} has not ended at the server (process {pid}).",
                hint=Hint(
                    "If that process is stopped, ",
                    command("kill", "-CONT", pid),
                    " lets it finish. Then run this again; nothing was changed.",
                ),
            )


def _unknown_outcome(renames: Sequence[DatabaseRename], why: str) -> Pending:
    names = " and ".join(f"{rename.old} → {rename.new}" for rename in renames)
    return Pending(
        f"It is not known whether the swap took place ({names}): {why}.",
        hint=Hint(
            "Both databases are there, and one transaction swaps both names or none. Let a server that is "
            "stopped (SIGSTOP) continue, or restart it; then ",
            make("status"),
            " shows what is live. The next restore or rollback finishes the rest.",
        ),
    )
