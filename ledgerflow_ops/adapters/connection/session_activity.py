"""Reads what a server's sessions and our programs do, through a connection that never waits long."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection import text_codecs
from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.core.postgres.session_activity import (
    Activity,
    Blocker,
    LockWait,
    Program,
    Session,
    statement_words,
)

_NAME = "ledgerflow_ops"
_MARKS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relname ~ '^pg_stat_progress'
"""
_SESSIONS = """
    SELECT pid, coalesce(state, ''), coalesce(wait_event_type, ''), coalesce(wait_event, ''),
        coalesce(query_start::text, ''), coalesce(state_change::text, '')
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'ledgerflow_ops%'
      AND usename = current_user AND pid <> pg_backend_pid()
    ORDER BY pid
"""
_WAITS = """
    SELECT l.pid, CASE WHEN c.oid IS NULL THEN '' ELSE format('%I.%I', n.nspname, c.relname) END, held.pid,
        coalesce(b.usename, '?'), coalesce(b.application_name, ''), coalesce(b.state, b.backend_type, ''),
        coalesce(date_trunc('second', coalesce(b.xact_start, b.query_start, b.backend_start))::text, ''),
        coalesce(b.query, ''),
        EXISTS (SELECT FROM pg_stat_activity o
                WHERE o.pid = ANY (pg_blocking_pids(held.pid)) AND o.application_name LIKE 'ledgerflow_ops%'
                  AND o.usename = current_user AND o.datname = current_database())
    FROM pg_stat_activity a
    JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
    LEFT JOIN pg_class c ON c.oid = l.relation AND l.locktype = 'relation'
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS held(pid) ON true
    LEFT JOIN pg_stat_activity b ON b.pid = held.pid
    WHERE a.datname = current_database() AND a.application_name LIKE 'ledgerflow_ops%'
      AND a.usename = current_user AND a.pid <> pg_backend_pid()
    ORDER BY l.pid, b.pid
"""
_STATUS = "SELECT pg_read_file(format('/proc/%%s/status', %s::int), 0, 4000, true)"


def current_activity(parameters: Mapping[str, str], seconds: float, started: Iterable[int] = ()) -> Activity:
    """The current activity of our sessions in the database and of the programs `started` with their children.

    The server has `seconds` to answer each query; `silent` or `unsure` is set in the result if it does not.
    """
    programs = tuple(_programs(started))
    try:
        with _connect_limited(parameters, seconds) as connection:
            return Activity(tuple(_sessions(connection, local=_is_local(parameters))), programs)
    except (psycopg.errors.ConnectionTimeout, TimeoutError) as error:
        return Activity((), programs, silent=str(error))
    except psycopg.Error:
        return Activity((), programs, unsure=True)


def lock_waits(parameters: Mapping[str, str], seconds: float) -> tuple[LockWait, ...]:
    """Our sessions that wait for locks now, with the sessions that block them; empty on an error."""
    try:
        with _connect_limited(parameters, seconds) as connection:
            return read_lock_waits(connection)
    except (psycopg.Error, TimeoutError):
        return ()


def read_lock_waits(connection: LimitedConnection) -> tuple[LockWait, ...]:
    """As `lock_waits`, through an open connection, without the delay of connecting."""
    connection.execute("SELECT pg_stat_clear_snapshot()")
    rows = connection.execute(_WAITS).fetchall()
    blockers_of: dict[tuple[int, str], list[Blocker]] = {}
    for pid, relation, blocker_pid, user, application, state, since, query, for_us in rows:
        blockers = blockers_of.setdefault((pid, relation), [])
        if blocker_pid is not None:
            statement = statement_words(query)
            blockers.append(Blocker(blocker_pid, user, application, state, since, statement, for_us))
    return tuple(
        LockWait(pid, relation, tuple(blockers)) for (pid, relation), blockers in blockers_of.items()
    )


def _connect_limited(parameters: Mapping[str, str], seconds: float) -> LimitedConnection:
    """A connection whose waits end after `seconds` with TimeoutError or psycopg's ConnectionTimeout."""
    full_parameters = {**parameters, "connect_timeout": str(round(seconds)), "application_name": _NAME}
    connection = LimitedConnection.connect(**full_parameters, autocommit=True)  # type: ignore[arg-type]
    connection.at_most(seconds)
    text_codecs.register_text_codec(connection, text_codecs.server_encoding(connection.pgconn))
    return connection


def _sessions(connection: LimitedConnection, *, local: bool) -> Iterable[Session]:
    rows = connection.execute(_SESSIONS).fetchall()
    marks = _progress(connection) if any(row[1] == "active" for row in rows) else {}
    for pid, state, wait, event, begun, changed in rows:
        process = _process(connection, pid, local=local)
        process = process if state == "active" else process[:1]  # catalog invalidations wake idle ones
        yield Session(pid, state, wait, event, (begun, changed, *marks.get(pid, ())), process)


def _progress(connection: LimitedConnection) -> dict[int, list[str]]:
    """The rows of all pg_stat_progress_* views, by process."""
    rows_by_pid: dict[int, list[str]] = {}
    for (view,) in connection.execute(_MARKS).fetchall():
        query = sql.SQL("SELECT pid, v::text FROM pg_catalog.{} AS v").format(sql.Identifier(view))
        with contextlib.suppress(psycopg.DatabaseError):
            for pid, row in connection.execute(query):
                rows_by_pid.setdefault(pid, []).append(row)
    return rows_by_pid


def _process(connection: LimitedConnection, pid: int, *, local: bool) -> tuple[str, ...]:
    """The state and context switches of a server process: read by the server, or here if it is local."""
    with contextlib.suppress(psycopg.DatabaseError, UnicodeError):
        row = connection.execute(_STATUS, [pid]).fetchone()
        if row and row[0]:
            return _state(row[0])
    if not local:
        return ()
    try:
        if not psutil.Process(pid).name().startswith(("postgres", "postmaster")):
            return ()
        return _state(Path(f"/proc/{pid}/status").read_text())
    except (psutil.Error, OSError):
        return ()


def _state(status: str) -> tuple[str, ...]:
    """The state letter and the two counts of context switches in the text of /proc/PID/status (proc(5))."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "State" not in lines:
        return ()
    counts = (
        lines.get(name, "").strip() for name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    )
    return (lines["State"].strip()[:1], *counts)


def program_activity(roots: Iterable[int]) -> Activity:
    """The current activity of our programs that have no server."""
    return Activity((), tuple(_programs(roots)))


def _programs(roots: Iterable[int]) -> Iterable[Program]:
    """The programs with all their children. The state is a letter, as in /proc."""
    for root in roots:
        with contextlib.suppress(psutil.Error):
            program = psutil.Process(root)
            for process in (program, *program.children(recursive=True)):
                times = process.cpu_times()
                yield Program(
                    process.pid,
                    process.name(),
                    _LETTERS.get(process.status(), "S"),
                    times.user + times.system,
                )


_LETTERS = {
    psutil.STATUS_RUNNING: "R",
    psutil.STATUS_STOPPED: "T",
    psutil.STATUS_TRACING_STOP: "t",
    psutil.STATUS_DISK_SLEEP: "D",
    psutil.STATUS_ZOMBIE: "Z",
}


def _is_local(parameters: Mapping[str, str]) -> bool:
    host = parameters.get("host") or parameters.get("hostaddr") or ""
    return host.startswith(("/", "@", "127.")) or host in ("localhost", "::1", "")
