"""The connections that a process keeps open to Dagster's storage, and when each is tested before use."""

import select
from typing import Any

import sqlalchemy as db
from dagster_postgres.utils import create_pg_engine
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

from ledgerflow_ops.adapters.system import clock

_POOL: dict[str, Any] = {"pool_size": 2, "max_overflow": 20, "pool_recycle": 3600}
"""The connections that a process keeps open, how many more it may open, and the seconds after which one is
replaced."""

_UNTESTED_SECONDS = 1.0
_USED = "used"

_ENGINES: dict[str, db.Engine] = {}


def pooled_engine(postgres_url: str) -> db.Engine:
    """This process's connection pool for the storage at that address.

    Dagster would open a connection for each query: about 300 in an idle minute of the daemon, each of which
    starts a server process.
    """
    if postgres_url not in _ENGINES:
        _ENGINES[postgres_url] = _make_engine(postgres_url)
    return _ENGINES[postgres_url]


def _make_engine(postgres_url: str) -> db.Engine:
    """A pool that tests a connection before use, because the server may have restarted.

    `pool_pre_ping` asks the server each time, 150 times in one backup. A server that ends closes its
    connections, so one that was used a moment ago and from which there is nothing to read is still open. Only
    an older one is asked: a network may fail without closing it.
    """
    engine = create_pg_engine(postgres_url, isolation_level="AUTOCOMMIT", **_POOL)

    def checked_in(_: Any, record: Any) -> None:
        record.info[_USED] = clock.monotonic()

    def checked_out(connection: Any, record: Any, _: Any) -> None:
        used = record.info.get(_USED)  # None for a new connection
        if used is None or (clock.monotonic() - used < _UNTESTED_SECONDS and _is_silent(connection)):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise InvalidatePoolError from None

    event.listen(engine, "checkin", checked_in)
    event.listen(engine, "checkout", checked_out)
    return engine


def _is_silent(connection: Any) -> bool:
    """Whether a connection is open, and its server has sent nothing since, nor closed it."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
