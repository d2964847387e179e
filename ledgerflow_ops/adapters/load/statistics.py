"""Gives a restored database statistics, without asking servers that its foreign tables lie on."""

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier

_OWN = """
WITH RECURSIVE below AS (
    SELECT inhparent AS top, inhrelid AS part FROM pg_catalog.pg_inherits
    UNION SELECT below.top, one.inhrelid
      FROM below JOIN pg_catalog.pg_inherits one ON one.inhparent = below.part
)
SELECT space.nspname, held.relname
  FROM pg_catalog.pg_class held JOIN pg_catalog.pg_namespace space ON space.oid = held.relnamespace
 WHERE (held.relkind IN ('r', 'p') OR held.relkind = 'm' AND held.relispopulated)
   AND held.relpersistence <> 't'
   AND NOT EXISTS (
       SELECT FROM below JOIN pg_catalog.pg_class part ON part.oid = below.part
        WHERE below.top = held.oid AND part.relkind = 'f')
"""
"""A bare ANALYZE reads a sample of each parent's foreign partitions: a server that is away would end it."""


def analyze(connection: Connection) -> None:
    """ANALYZE every table but those of which a partition or a child lies on a foreign server."""
    if names := [Identifier(*found) for found in connection.execute(_OWN).fetchall()]:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(names)))
