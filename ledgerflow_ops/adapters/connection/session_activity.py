"""Looks at a server's sessions and at programs of ours, through a connection that never waits long."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection import text_codecs
from ledgerflow_ops.adapters.connection.limited_connection import Limited
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


def activity(parameters: Mapping[str, str], seconds: float, started: Iterable[int] = ()) -> Activity:
    """What our sessions in the database and the programs `started` here, with all theirs, do now.

    Everything that the server is asked it has so many seconds to answer.
    """
    here = tuple(_programs(started))
    try:
        with _asking(parameters, seconds) as connection:
            return Activity(tuple(_sessions(connection, local=_is_local(parameters))), here)
    except (psycopg.errors.ConnectionTimeout, TimeoutError) as error:
        return Activity((), here, silent=str(error))
    except psycopg.Error:
        return Activity((), here, unsure=True)


def lock_waits(parameters: Mapping[str, str], seconds: float) -> tuple[LockWait, ...]:
    """Which of our sessions wait for locks now, and for whom; nothing where that cannot be seen."""
    try:
        with _asking(parameters, seconds) as connection:
            return lock_waits_now(connection)
    except (psycopg.Error, TimeoutError):
        return ()


def lock_waits_now(connection: Limited) -> tuple[LockWait, ...]:
    """As `lock_waits`, through a connection that is open: for an instant that matters."""
    connection.execute("SELECT pg_stat_clear_snapshot()")
    rows = connection.execute(_WAITS).fetchall()
    found: dict[tuple[int, str], list[Blocker]] = {}
    for pid, relation, other, user, application, state, since, query, for_us in rows:
        blockers = found.setdefault((pid, relation), [])
        if other is not None:
            words = statement_words(query)
            blockers.append(Blocker(other, user, application, state, since, words, for_us))
    return tuple(LockWait(pid, relation, tuple(blockers)) for (pid, relation), blockers in found.items())


def _asking(parameters: Mapping[str, str], seconds: float) -> Limited:
    """A connection that answers within seconds or ends in TimeoutError or psycopg's ConnectionTimeout."""
    known = {**parameters, "connect_timeout": str(round(seconds)), "application_name": _NAME}
    connection = Limited.connect(**known, autocommit=True)  # type: ignore[arg-type]
    connection.at_most(seconds)
    text_codecs.adapt(connection, text_codecs.server_encoding(connection.pgconn))
    return connection


def _sessions(connection: Limited, *, local: bool) -> Iterable[Session]:
    rows = connection.execute(_SESSIONS).fetchall()
    marks = _progress(connection) if any(row[1] == "active" for row in rows) else {}
    for pid, state, wait, event, begun, changed in rows:
        process = _process(connection, pid, local=local)
        process = process if state == "active" else process[:1]  # catalog invalidations wake idle ones
        yield Session(pid, state, wait, event, (begun, changed, *marks.get(pid, ())), process)


def _progress(connection: Limited) -> dict[int, list[str]]:
    """The rows of all pg_stat_progress_* views, by process."""
    found: dict[int, list[str]] = {}
    for (view,) in connection.execute(_MARKS).fetchall():
        query = sql.SQL("SELECT pid, v::text FROM pg_catalog.{} AS v").format(sql.Identifier(view))
        with contextlib.suppress(psycopg.DatabaseError):
            for pid, row in connection.execute(query):
                found.setdefault(pid, []).append(row)
    return found


def _process(connection: Limited, pid: int, *, local: bool) -> tuple[str, ...]:
    """The state and the switches of a server's process: by the server, or by this machine if it is here."""
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
    """The letter and the two counts of switches in the text of /proc/PID/status."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "State" not in lines:
        return ()
    counts = (
        lines.get(name, "").strip() for name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    )
    return (lines["State"].strip()[:1], *counts)


def programs(roots: Iterable[int]) -> Activity:
    """What programs of ours do that reach no server."""
    return Activity((), tuple(_programs(roots)))


def _programs(roots: Iterable[int]) -> Iterable[Program]:
    """The programs with all that they have started. A letter is all that psutil's words begin with."""
    for root in roots:
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(root)
            for one in (found, *found.children(recursive=True)):
                times = one.cpu_times()
                yield Program(one.pid, one.name(), _LETTERS.get(one.status(), "S"), times.user + times.system)


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
