"""Whether a swap is in progress on the server, judged by the lock that its transaction holds to the end.

RENAME takes an AccessExclusiveLock on the database (RenameDatabase in PostgreSQL's dbcommands.c). A COMMIT
that we have sent can still be pending only while that lock is held; after that, the catalog shows the result.
"""

import contextlib

import psycopg

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.system import clock

_HOLDER = """
    SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.objid
    WHERE l.locktype = 'object' AND l.classid = 'pg_database'::regclass
      AND l.mode = 'AccessExclusiveLock' AND l.granted AND d.datname = %s AND l.pid <> pg_backend_pid()
"""
_EVERY = 0.1


def find_swap_holder(connection: Connection, name: str) -> int | None:
    """The PID of the server process that holds a swap's lock on the database `name`; else None."""
    row = connection.execute(_HOLDER, [name]).fetchone()
    return int(row[0]) if row else None


def end_swap(connection: Connection, name: str, seconds: float) -> int | None:
    """Terminate the process of a swap, and wait for at most `seconds`; returns its PID if it still holds the
    lock.

    For a swap whose client has died or lost its connection.
    """
    until = clock.monotonic() + seconds
    while (pid := find_swap_holder(connection, name)) is not None:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        if clock.monotonic() > until:
            return pid
        clock.pause(_EVERY)
    return None
