"""A pooled connection is tested before use: by its socket, and by asking the server when it was idle."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as db
from sqlalchemy import event

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.defs.connection_pool import pooled_engine
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres

_PID = db.text("SELECT pg_backend_pid()")


@pytest.fixture
def server(embedded: EmbeddedPostgres) -> Database:
    return embedded.start().named("postgres")


@pytest.fixture
def engine(server: Database) -> Iterator[db.Engine]:
    """A pool with one connection that was used just now."""
    engine = pooled_engine(f"{server.sqlalchemy_url()}?application_name={secrets.token_hex(4)}")
    with engine.connect() as connection:
        connection.execute(_PID)
    yield engine
    engine.dispose()


def _pid(engine: db.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_PID).scalar_one())


def _last_query(server: Database, pid: int) -> str:
    with server.connect() as connection:
        row = connection.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    assert row is not None
    return str(row[0])


def _end(server: Database, pid: int) -> None:
    """End a session on the server, and wait until its process is gone: its socket is closed then."""
    with server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 60000)", [pid])


def test_a_connection_is_used_again(engine: db.Engine) -> None:
    assert _pid(engine) == _pid(engine)


def test_one_that_was_used_just_now_is_not_asked(engine: db.Engine, server: Database) -> None:
    """Its age here is that of a connection which was used in the future, however slow the machine is."""
    pid = _pid(engine)
    _set_age(engine, -3600)
    _pid(engine)
    with engine.connect():
        assert _last_query(server, pid) == _PID.text


def test_one_that_was_idle_for_longer_is_asked(engine: db.Engine, server: Database) -> None:
    pid = _pid(engine)
    _set_age(engine, 3600)
    _pid(engine)
    with engine.connect():
        assert _last_query(server, pid) not in (_PID.text, "")


@pytest.mark.parametrize("age", [-3600, 3600])
def test_one_that_the_server_has_closed_is_replaced(engine: db.Engine, server: Database, age: int) -> None:
    """As after a restart of the server."""
    pid = _pid(engine)
    _set_age(engine, age)
    _pid(engine)
    _end(server, pid)
    assert _pid(engine) != pid


def test_one_that_was_closed_here_is_replaced(engine: db.Engine) -> None:
    _set_age(engine, -3600)
    with engine.connect() as connection:
        pid = connection.execute(_PID).scalar_one()
        driver_connection: Any = connection.connection.driver_connection
    driver_connection.close()
    assert _pid(engine) != pid


def _set_age(engine: db.Engine, seconds: float) -> None:
    """Every connection returned from now on counts as unused for so many seconds."""

    def returned(_: Any, record: Any) -> None:
        record.info["used"] -= seconds

    event.listen(engine, "checkin", returned)
