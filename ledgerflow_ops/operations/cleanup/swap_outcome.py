"""What came of a swap whose end was not heard: it took place, it did not, or that is still open."""

from collections.abc import Sequence

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.load import restore_server, swap_state
from ledgerflow_ops.adapters.load.restore_server import Rename
from ledgerflow_ops.core.errors import LedgerError, Pending
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.core.postgres.session_activity import Limits

BRIEF_LIMITS = Limits(stall=8.0, lock=4.0)
"""For a server that may hang, asked by somebody who is about to end."""


def require_done(maintenance: Database, renames: Sequence[Rename], error: BaseException) -> None:
    """Return where the swap took place all the same; else raise `error` again, where it did not.

    Pending where the server does not say, and where we were told to end after it had taken place: what goes
    with it is then the next command's.
    """
    last = renames[-1]
    try:
        with maintenance.within(BRIEF_LIMITS).connect() as connection:
            pid = swap_state.unended(connection, last.old, BRIEF_LIMITS.answer)
            done = not restore_server.exists(connection, last.old)
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
    """Pending where a swap of one of these databases, which nobody waits for any more, has not ended."""
    for name in names:
        if pid := swap_state.unended(connection, name, BRIEF_LIMITS.answer):
            raise Pending(
                f"A swap of {name} that was given up has not ended at the server (process {pid}).",
                hint=Hint(
                    "If that process is stopped, ",
                    command("kill", "-CONT", pid),
                    " lets it go on, to its end. Then run this again; nothing was touched.",
                ),
            )


def _unknown_outcome(renames: Sequence[Rename], why: str) -> Pending:
    names = " and ".join(f"{one.old} → {one.new}" for one in renames)
    return Pending(
        f"It is not known whether the swap took place ({names}): {why}.",
        hint=Hint(
            "Both databases are there, and one transaction swaps both names or none. Let a server that is "
            "stopped (SIGSTOP) go on, or start it anew; then ",
            make("status"),
            " shows what is live. The next restore or rollback settles what is left.",
        ),
    )
