"""Opens the snapshot that a backup is taken of, and starts the pg_dump processes that read under it.

All of them lock every table first, before anything long begins. A session that wants to drop a table then
waits for us; a pg_dump started later would queue behind that session, and so deadlock. A table that vanishes
before all have locked it voids the attempt, and another one is made.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ledgerflow_ops.adapters.connection import session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import (
    CombinedWatcher,
    LockWaitWatcher,
    StallWatcher,
    require_no_deadlock,
)
from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import ArchiveDecoder
from ledgerflow_ops.adapters.dump.dump_process import DumpProcess, ScriptReader, running_dump
from ledgerflow_ops.adapters.inspection import non_table_objects, partition_placement, source
from ledgerflow_ops.adapters.inspection.schema_changes import find_changed_object
from ledgerflow_ops.adapters.inspection.source import Inventory, Snapshot
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.comparison.non_table_objects import SequenceReading
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Watcher
from ledgerflow_ops.core.program_output import ProgramOutput
from ledgerflow_ops.core.progress import Reporter

_RETRY_SECONDS = 90.0
"""Seconds during which new snapshots are tried. Each takes a fraction of a second."""
_SAME_ERROR_LIMIT = 25
"""The same error this often in a row is permanent, for instance a damaged catalog."""
_REPORTED_ERRORS = 3
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
_WHOLE_ATTEMPTS = 3
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """An open snapshot and the processes that use it. `sequences` were read before pg_dump read them."""

    recovery_point: datetime
    snapshot: Snapshot
    sequences: dict[str, SequenceReading]
    inventory: Inventory
    dump: DumpProcess
    ddl: ScriptReader
    watched: Callable[[ArchiveDecoder], Watcher]


@contextmanager
def open_snapshot(
    database: Database, client: Client, reporter: Reporter, instant: Callable[[], datetime]
) -> Iterator[OpenSnapshot]:
    """Open the database for a backup, with repeated attempts for up to 90 seconds.

    `instant` returns the recovery point, just before each snapshot. LedgerError when no attempt succeeded,
    with the objects that changed, or when others hold a lock for too long, with their sessions.
    """
    begun, messages = clock.monotonic(), list[str]()
    while True:
        try:
            with ExitStack() as attempt:
                snapshot = _attempt_open(attempt, database, client, reporter, instant)
                resources = attempt.pop_all()
        except Unsettled as error:
            messages.append(error.message)
            if (
                clock.monotonic() - begun > _RETRY_SECONDS
                or messages[-_SAME_ERROR_LIMIT:] == [error.message] * _SAME_ERROR_LIMIT
            ):
                message = f"{error.message}\n{count_of(len(messages), 'attempt')} ended like this."
                raise LedgerError(message, hint=error.hint) from None
            if len(messages) <= _REPORTED_ERRORS:
                reporter.say(f"another snapshot: {error.message}")
        else:
            with resources:
                yield snapshot
            return
        clock.pause(_PAUSES[min(len(messages), len(_PAUSES)) - 1])


def retry_unsettled(work: Callable[[], Result], reporter: Reporter) -> Result:
    """The result of `work`, which is repeated where objects of the database changed meanwhile (Unsettled)."""
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

    def locks(connection: LimitedConnection) -> Watcher:
        return LockWaitWatcher(
            limits.lock, lambda: session_activity.lock_waits(connection.at, limits.answer), reporter.say
        )

    snapshot = stack.enter_context(source.snapshot(database, locks))
    connection, sequences = snapshot.connection, non_table_objects.read_sequences(snapshot.connection)
    unheld = snapshot.standby.unlogged if snapshot.standby else ()
    roots = partition_placement.needs_root_loading(connection)
    wanted = archive.archive_options(client.compression, unheld, through_roots=roots)
    printed = ProgramOutput(f"pg_dump {client.version}", reporter.printed)
    started = [
        stack.enter_context(running_dump(client, options, snapshot.snapshot_id, limits.lock, output))
        for options, output in ((wanted, printed), (["--schema-only"], None))
    ]

    def watched(decoder: ArchiveDecoder | None = None) -> Watcher:
        # Docker's client is always slightly active, whatever pg_dump does inside.
        ours = [] if client.inside else [dump.child.pid for dump in started]
        ours += [decoder.child.pid] if decoder else []
        silence = StallWatcher(
            "pg_dump",
            limits.stall,
            lambda: session_activity.current_activity(connection.at, limits.answer, ours),
        )
        return CombinedWatcher(silence, locks(connection))

    watch = watched()
    for dump in started:
        dump.wait_for_locks(watch, lambda: require_no_deadlock(session_activity.read_lock_waits(connection)))
    inventory = source.read_inventory(connection)
    if went := find_changed_object(connection):
        raise Unsettled(f"{went} was dropped or changed while it was read", hint=Hint("Run it again."))
    script = ScriptReader(started[1], watch)
    return OpenSnapshot(recovery_point, snapshot, sequences, inventory, started[0], script, watched)
