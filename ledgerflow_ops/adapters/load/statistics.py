"""Analyzes a restored database without connecting to the servers of its foreign tables."""

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier

_ANALYZABLE = """
WITH RECURSIVE below AS (
    SELECT inhparent AS top, inhrelid AS part FROM pg_catalog.pg_inherits
    UNION SELECT below.top, child.inhrelid
      FROM below JOIN pg_catalog.pg_inherits child ON child.inhparent = below.part
)
SELECT space.nspname, held.relname
  FROM pg_catalog.pg_class held JOIN pg_catalog.pg_namespace space ON space.oid = held.relnamespace
 WHERE (held.relkind IN ('r', 'p') OR held.relkind = 'm' AND held.relispopulated)
   AND held.relpersistence <> 't'
   AND NOT EXISTS (
       SELECT FROM below JOIN pg_catalog.pg_class part ON part.oid = below.part
        WHERE below.top = held.oid AND part.relkind = 'f')
"""
"""A plain ANALYZE samples the foreign partitions of each parent, and fails if their server is unreachable."""


def analyze(connection: Connection) -> None:
    """ANALYZE every table except parents of a foreign partition or child."""
    if names := [Identifier(*table) for table in connection.execute(_ANALYZABLE).fetchall()]:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(names)))
