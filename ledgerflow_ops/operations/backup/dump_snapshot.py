"""Opens what a backup is taken of: a snapshot whose tables are held, and the pg_dumps at work under it.

All of them lock every table at once, before anything long begins: who wants to drop one then waits, and a
pg_dump that came later would queue up behind him, who waits for us. What goes before all hold it makes the
attempt void, which costs no more than another one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ledgerflow_ops.adapters.connection import session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import All, Locks, Silence, untangled
from ledgerflow_ops.adapters.connection.limited_connection import Limited
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import Decoder
from ledgerflow_ops.adapters.dump.dump_process import Dumper, Script, dumper
from ledgerflow_ops.adapters.inspection import non_table_objects, partition_placement, source
from ledgerflow_ops.adapters.inspection.schema_changes import changed
from ledgerflow_ops.adapters.inspection.source import Inventory, Snapshot
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.comparison.non_table_objects import SequenceReading
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Watcher
from ledgerflow_ops.core.progress import Reporter

_RETRY_SECONDS = 90.0
"""For how long new snapshots are tried: each takes a fraction of a second."""
_SAME_ERROR_LIMIT = 25
"""So often the same in a row, it is no passing thing: a catalog with a hole in it says so each time."""
_REPORTED_ERRORS = 3
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
_WHOLE_ATTEMPTS = 3
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """An open snapshot and what is at work under it. `sequences` were read before pg_dump read them."""

    recovery_point: datetime
    snapshot: Snapshot
    sequences: dict[str, SequenceReading]
    inventory: Inventory
    dump: Dumper
    ddl: Script
    watched: Callable[[Decoder], Watcher]


@contextmanager
def open_snapshot(
    database: Database, client: Client, reporter: Reporter, instant: Callable[[], datetime]
) -> Iterator[OpenSnapshot]:
    """Open the database for a backup, by as many attempts as it takes within a minute and a half.

    `instant` tells the recovery point, just before each snapshot. LedgerError with what came and went when
    none succeeded, and for a lock that others hold for too long, with who does.
    """
    begun, messages = clock.awake(), list[str]()
    while True:
        try:
            with ExitStack() as attempt:
                found = _attempt_open(attempt, database, client, reporter, instant)
                held = attempt.pop_all()
        except Unsettled as error:
            messages.append(error.message)
            if (
                clock.awake() - begun > _RETRY_SECONDS
                or messages[-_SAME_ERROR_LIMIT:] == [error.message] * _SAME_ERROR_LIMIT
            ):
                told = f"{error.message}\n{len(messages)} attempts ended like this."
                raise LedgerError(told, hint=error.hint) from None
            if len(messages) <= _REPORTED_ERRORS:
                reporter.say(f"another snapshot: {error.message}")
        else:
            with held:
                yield found
            return
        clock.pause(_PAUSES[min(len(messages), len(_PAUSES)) - 1])


def retry_unsettled(work: Callable[[], Result], reporter: Reporter) -> Result:
    """`work` done, from its beginning again where something in the database came or went meanwhile."""
    for _ in range(_WHOLE_ATTEMPTS - 1):
        try:
            return work()
        except Unsettled as error:
            reporter.say(f"another attempt: {error.message}")
    return work()


def _attempt_open(
    stack: ExitStack, database: Database, client: Client, reporter: Reporter, instant: Callable[[], datetime]
) -> OpenSnapshot:
    limits, recovery_point = database.limits, instant()

    def locks(connection: Limited) -> Watcher:
        return Locks(
            limits.lock, lambda: session_activity.lock_waits(connection.at, limits.answer), reporter.say
        )

    snapshot = stack.enter_context(source.snapshot(database, locks))
    connection, sequences = snapshot.connection, non_table_objects.sequences(snapshot.connection)
    unheld = snapshot.standby.unlogged if snapshot.standby else ()
    roots = partition_placement.placed_anew(connection)
    wanted = archive.archive_options(client.compression, unheld, through_roots=roots)
    started = [
        stack.enter_context(dumper(client, options, snapshot.snapshot_id, limits.lock))
        for options in (wanted, ["--schema-only"])
    ]

    def watched(decoder: Decoder | None = None) -> Watcher:
        # A client of Docker's is no pg_dump: it is always a little at work.
        ours = [] if client.inside else [dump.child.pid for dump in started]
        ours += [decoder.child.pid] if decoder else []
        silence = Silence(
            "pg_dump", limits.stall, lambda: session_activity.activity(connection.at, limits.answer, ours)
        )
        return All(silence, locks(connection))

    watch = watched()
    for dump in started:
        dump.begin(watch, lambda: untangled(session_activity.lock_waits_now(connection)))
    inventory = source.inventory(connection)
    if went := changed(connection):
        raise Unsettled(f"{went} was dropped or changed while it was read", hint=Hint("Run it again."))
    script = Script(started[1], watch)
    return OpenSnapshot(recovery_point, snapshot, sequences, inventory, started[0], script, watched)
