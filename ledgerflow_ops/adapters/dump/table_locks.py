"""Holds a database's tables under a snapshot, as pg_dump does: what is dropped meanwhile waits for us."""

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.limited_connection import Limited
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
"""The catalog is read under the snapshot, the function tells what is there now: a table that was emptied,
rewritten or made anew in between holds rows that the snapshot does not see."""
_AT_ONCE = 200
_SLACK = 5.0
_AGAIN = Hint("Run it again; a table that comes and goes all the time is better a TEMPORARY one.")


def hold(connection: Limited, seconds: float, locks: Watcher | None = None) -> None:
    """Lock all tables that a dump holds against being dropped, emptied or altered, for the transaction.

    Nobody who reads or writes waits for it. A lock of others is waited for so long, in whole seconds;
    `locks` watches that. Unsettled when a table went or was emptied since the snapshot was taken.
    """
    found = connection.execute(_TABLES).fetchall()
    watchers = connection.watchers
    connection.execute(f"SET LOCAL lock_timeout = '{seconds + _SLACK:.0f}s'".encode())
    connection.watchers = (*watchers, locks) if locks else watchers
    try:
        for start in range(0, len(found), _AT_ONCE):
            names = [Identifier(schema, name) for _, schema, name in found[start : start + _AT_ONCE]]
            listed = sql.SQL(", ").join(sql.SQL("ONLY {}").format(name) for name in names)
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(listed))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        message = error.diag.message_primary or ""
        raise Unsettled(f"A table went while the snapshot was taken: {message}.", hint=_AGAIN) from None
    finally:
        connection.watchers = watchers
    changed = connection.execute(_CHANGED, [[oid for oid, _, _ in found]]).fetchone()
    if changed:
        name = ".".join(changed)
        raise Unsettled(f"{name} was emptied or rewritten while the snapshot was taken.", hint=_AGAIN)
