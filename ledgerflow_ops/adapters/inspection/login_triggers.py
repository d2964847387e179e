"""Event triggers that a login fires (from PostgreSQL 17): seen from outside, and from a session of ours."""

from ledgerflow_ops.adapters.connection.database import EVENT_TRIGGERS_OFF, Connection

_FIRED = """
    SELECT evtname::text, format('GRANT SET ON PARAMETER event_triggers TO %I;', session_user)
    FROM pg_event_trigger
    WHERE evtevent = 'login' AND evtenabled IN ('O', 'A') AND current_setting('event_triggers') = 'on'
    ORDER BY 1
"""


def there(connection: Connection, name: str) -> bool:
    """Whether the database `name` of the server has any, as pg_database remembers."""
    if _older(connection):
        return False
    row = connection.execute("SELECT dathasloginevt FROM pg_database WHERE datname = %s", [name]).fetchone()
    return bool(row and row[0])


def fired(connection: Connection) -> tuple[list[str], str]:
    """Those that this session has fired when it began, and the statement that lets us keep from it."""
    rows = [] if _older(connection) else connection.execute(_FIRED).fetchall()
    return [name for name, _ in rows], rows[0][1] if rows else ""


def _older(connection: Connection) -> bool:
    return connection.info.server_version // 10000 < EVENT_TRIGGERS_OFF
