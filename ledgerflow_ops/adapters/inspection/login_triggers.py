"""Event triggers that a login fires (from PostgreSQL 17): whether a database has any, which ones fired."""

from ledgerflow_ops.adapters.connection.database import EVENT_TRIGGERS_OFF, Connection

_FIRED = """
    SELECT evtname::text, format('GRANT SET ON PARAMETER event_triggers TO %I;', session_user)
    FROM pg_event_trigger
    WHERE evtevent = 'login' AND evtenabled IN ('O', 'A') AND current_setting('event_triggers') = 'on'
    ORDER BY 1
"""


def has_login_triggers(connection: Connection, name: str) -> bool:
    """Whether the database `name` has login event triggers, by pg_database.dathasloginevt."""
    if _has_no_login_triggers(connection):
        return False
    row = connection.execute("SELECT dathasloginevt FROM pg_database WHERE datname = %s", [name]).fetchone()
    return bool(row and row[0])


def fired_login_triggers(connection: Connection) -> tuple[list[str], str]:
    """The triggers that this session's login has fired, and the GRANT that lets us turn them off."""
    rows = [] if _has_no_login_triggers(connection) else connection.execute(_FIRED).fetchall()
    return [name for name, _ in rows], rows[0][1] if rows else ""


def _has_no_login_triggers(connection: Connection) -> bool:
    return connection.info.server_version // 10000 < EVENT_TRIGGERS_OFF
