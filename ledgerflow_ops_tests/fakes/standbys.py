"""Copies of a running server: a standby that replicates from it, and an independent clone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.adapters.cluster.cluster import Cluster, free_port
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.servers import Server


@contextmanager
def standby(root: Path, primary: Server, *, replicates: bool = True) -> Iterator[Server]:
    """A copy of the primary's files, taken by pg_basebackup and started at a port of its own.

    It is in recovery and replicates, or else it is a clone that takes writes: nothing in it tells the two
    servers apart but what has been written since.
    """
    tools, account = primary.cluster.tools, primary.cluster.account
    place = root / ("standby" if replicates else "clone")
    place.mkdir()
    made = Server(Cluster(place / "data", tools, account), free_port())
    if account:
        shutil.chown(place, account.uid, account.gid)
    options = ["-c", "fast", "-X", "stream", "--no-sync", *(["-R"] if replicates else [])]
    where = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-D", str(made.cluster.data)]
    copied = process.run([tools.path("pg_basebackup"), *options, *where], account=account, cwd="/")
    assert copied.code == 0, copied.errors
    made.start()
    try:
        yield made
    finally:
        made.cluster.remove()


def caught_up(primary: Server, standby: Server) -> bool:
    """Wait until the standby has replayed all that the primary has written by now; whether it came true."""
    with primary.database.connect() as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None
    return sandboxes.wait_until(lambda: _reached(standby, row[0]))


def _reached(standby: Server, lsn: str) -> bool:
    with standby.database.connect() as connection:
        row = connection.execute(
            "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AND EXISTS (SELECT FROM pg_stat_wal_receiver)",
            [lsn],
        ).fetchone()
    return row is not None and bool(row[0])


def promote(standby: Server) -> None:
    """Make a standby a server of its own, on the next timeline."""
    with standby.database.connect() as connection:
        connection.execute("SELECT pg_promote(true)")
