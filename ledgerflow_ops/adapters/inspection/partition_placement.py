"""Whether a database has rows that get another partition wherever they are loaded.

A hash partition holds the rows whose key has a certain hash. That of an enum's value, of a regclass and the
like is that of a number which each database gives anew. pg_dump itself loads such data through the root where
the key is an enum (`getPartitioningInfo` in pg_dump.c, since May 2023), but not where it is an array, a
composite type or a range of them, nor where a collation decides what is equal.
"""

from ledgerflow_ops.adapters.connection.database import Connection

_PLACED_ANEW = """
    WITH RECURSIVE part AS (
        SELECT a.atttypid AS type, l.coll
        FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
        CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partcollation::oid[]) l(number, coll)
        LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = l.number AND l.number > 0
        WHERE p.partstrat = 'h'
        UNION ALL  -- of an expression the operator class says what it is made of
        SELECT o.opcintype, 0 FROM pg_partitioned_table p
        CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partclass::oid[]) l(number, class)
        JOIN pg_opclass o ON o.oid = l.class WHERE p.partstrat = 'h' AND l.number = 0
    ), within AS (
        SELECT type AS oid FROM part
        UNION SELECT inner_type.oid FROM within w JOIN pg_type t ON t.oid = w.oid
        CROSS JOIN LATERAL (
            SELECT t.typelem AS oid WHERE t.typelem <> 0
            UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
            UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
            UNION ALL SELECT a.atttypid FROM pg_attribute a
                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ) inner_type
    )
    SELECT EXISTS (SELECT FROM within w JOIN pg_type t ON t.oid = w.oid
        WHERE t.typtype = 'e' OR t.oid < 16384 AND t.typname ~ '^reg'
            OR t.typname IN ('anyenum', 'anyarray', 'anyrange', 'anymultirange', 'record') AND t.oid < 16384)
        OR EXISTS (SELECT FROM part JOIN pg_collation c ON c.oid = part.coll
            WHERE NOT c.collisdeterministic)
"""


def placed_anew(connection: Connection) -> bool:
    """Whether the database has such a table: then all data must be loaded through the roots."""
    row = connection.execute(_PLACED_ANEW).fetchone()
    assert row is not None
    return bool(row[0])
