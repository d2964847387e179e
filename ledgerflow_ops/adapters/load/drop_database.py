"""Drops databases that a restore has created, including those with subscriptions."""

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import EVENT_TRIGGERS_OFF, Connection, Database

_SUBSCRIBED = """
    SELECT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = %s)
"""
_SUBSCRIPTIONS = """
    SELECT s.subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database()
"""
_TEMPLATE = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
_EVENT_TRIGGERS = "SELECT evtname::text FROM pg_event_trigger WHERE evtenabled <> 'D'"


def drop_database(server: Database, name: str) -> None:
    """Drop the database `name` if it exists, and end its sessions. `server` is another database of the
    server.

    DROP DATABASE refuses a database with subscriptions (dropdb in PostgreSQL's dbcommands.c), so they are
    dropped first. Their slots stay on the publisher, because the live database's subscriptions use slots of
    the same names. It also refuses a template, so IS_TEMPLATE is turned off.
    """
    with server.connect() as connection:
        row = connection.execute(_SUBSCRIBED, [name]).fetchone()
        if row and row[0]:
            form = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true")
            connection.execute(form.format(sql.Identifier(name)))
            _unsubscribe(server.named(name).without_event_triggers_if_allowed(connection))
        if connection.execute(_TEMPLATE, [name]).fetchone():
            connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _unsubscribe(database: Database) -> None:
    """Drop the subscriptions of a database that will be dropped."""
    with database.connect() as connection:
        if connection.info.server_version // 10000 < EVENT_TRIGGERS_OFF:
            _execute_for_each(connection, _EVENT_TRIGGERS, "ALTER EVENT TRIGGER {} DISABLE")
        for step in ("ALTER {} DISABLE", "ALTER {} SET (slot_name = NONE)", "DROP {}"):
            _execute_for_each(connection, _SUBSCRIPTIONS, step.format("SUBSCRIPTION {}"))


def _execute_for_each(connection: Connection, query: str, form: str) -> None:
    """Execute a statement for every name that a query returns."""
    for (name,) in connection.execute(query).fetchall():
        connection.execute(sql.SQL(form).format(sql.Identifier(name)))
