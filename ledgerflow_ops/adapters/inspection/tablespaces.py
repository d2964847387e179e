"""The tablespaces of a server, and what is moved into them."""

from collections.abc import Iterable

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier
from ledgerflow_ops.core.loading.tablespaces import PlacedObject

_USABLE = "SELECT spcname FROM pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')"
_FOUND = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
    WHERE n.nspname = %s AND %s::text IN (c.relname::text, t.relname || ' ' || c.relname)
      AND (c.relkind IN ('i', 'I')) = (%s::text IN ('INDEX', 'CONSTRAINT'))
"""
_MOVE = {
    "TABLE": "ALTER TABLE {} SET TABLESPACE {}",
    "MATERIALIZED VIEW": "ALTER MATERIALIZED VIEW {} SET TABLESPACE {}",
    "INDEX": "ALTER INDEX {} SET TABLESPACE {}",
    "CONSTRAINT": "ALTER INDEX {} SET TABLESPACE {}",
}


def usable(connection: Connection) -> frozenset[str]:
    """The server's tablespaces in which our account may make something."""
    return frozenset(name for (name,) in connection.execute(_USABLE))


def move(connection: Connection, objects: Iterable[PlacedObject]) -> None:
    """Move each object into its tablespace."""
    for one in objects:
        for (name,) in connection.execute(_FOUND, [one.schema, one.name, one.kind]).fetchall():
            what, where = Identifier(one.schema, name), Identifier(one.tablespace)
            connection.execute(sql.SQL(_MOVE[one.kind]).format(what, where))
