"""Whether a swap is under way at the server, told by the lock that its transaction holds to the end.

RENAME takes an AccessExclusiveLock on the database (RenameDatabase in PostgreSQL's dbcommands.c). A COMMIT
that we have sent can only be on its way while that lock is held: once it is gone, the catalog says what came
of it.
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


def holder(connection: Connection, name: str) -> int | None:
    """The process at the server that holds the database `name` for a swap; None where there is none."""
    row = connection.execute(_HOLDER, [name]).fetchone()
    return int(row[0]) if row else None


def unended(connection: Connection, name: str, seconds: float) -> int | None:
    """As `holder`, once that process has been told to end and so long been waited for.

    For when whoever ordered the swap listens no more.
    """
    until = clock.awake() + seconds
    while (pid := holder(connection, name)) is not None:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        if clock.awake() > until:
            return pid
        clock.pause(_EVERY)
    return None
