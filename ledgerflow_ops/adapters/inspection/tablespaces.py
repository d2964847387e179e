"""Reads the tablespaces of a server, and moves restored objects into them."""

from collections.abc import Iterable

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier
from ledgerflow_ops.core.loading.tablespaces import PlacedObject

_USABLE = "SELECT spcname FROM pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')"
_RELATIONS = """
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


def usable_tablespaces(connection: Connection) -> frozenset[str]:
    """The tablespaces in which our account may create objects."""
    return frozenset(name for (name,) in connection.execute(_USABLE))


def move_objects(connection: Connection, objects: Iterable[PlacedObject]) -> None:
    """Move each object into its tablespace."""
    for placed in objects:
        for (name,) in connection.execute(_RELATIONS, [placed.schema, placed.name, placed.kind]).fetchall():
            relation, tablespace = Identifier(placed.schema, name), Identifier(placed.tablespace)
            connection.execute(sql.SQL(_MOVE[placed.kind]).format(relation, tablespace))
