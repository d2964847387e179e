"""Locks a database's tables under a snapshot, as pg_dump does: DROP TABLE then waits for us."""

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier
from ledgerflow_ops.core.errors import Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Watcher

_TABLES = """
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig))
           OR NOT EXISTS (SELECT FROM pg_depend d
                                         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                           AND d.deptype = 'e'))
    ORDER BY 1
"""
_CHANGED = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY (%s) AND c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
    LIMIT 1
"""
"""The catalog is read under the snapshot, but the function returns the current file node: a table that was
truncated, rewritten or recreated in between has rows that the snapshot does not see."""
_AT_ONCE = 200
_SLACK = 5.0
_AGAIN = Hint("Run it again. A table that is often dropped and created should be a TEMPORARY one.")


def lock_tables(connection: LimitedConnection, seconds: float, locks: Watcher | None = None) -> None:
    """Lock all tables of a dump against DROP, TRUNCATE and ALTER until the end of the transaction.

    The lock (ACCESS SHARE) does not block reads or writes. Waits for other sessions' locks end after
    `seconds`; `locks` watches them. Unsettled if a table was dropped or truncated since the snapshot was
    taken.
    """
    tables = connection.execute(_TABLES).fetchall()
    watchers = connection.watchers
    connection.execute(f"SET LOCAL lock_timeout = '{seconds + _SLACK:.0f}s'".encode())
    connection.watchers = (*watchers, locks) if locks else watchers
    try:
        for start in range(0, len(tables), _AT_ONCE):
            names = [Identifier(schema, name) for _, schema, name in tables[start : start + _AT_ONCE]]
            table_list = sql.SQL(", ").join(sql.SQL("ONLY {}").format(name) for name in names)
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table_list))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        message = error.diag.message_primary or ""
        raise Unsettled(
            f"A table was dropped while the snapshot was taken: {message}.", hint=_AGAIN
        ) from None
    finally:
        connection.watchers = watchers
    changed = connection.execute(_CHANGED, [[oid for oid, _, _ in tables]]).fetchone()
    if changed:
        name = ".".join(changed)
        raise Unsettled(f"{name} was emptied or rewritten while the snapshot was taken.", hint=_AGAIN)
