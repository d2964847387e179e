"""Whether a database has rows that belong to other partitions after a restore.

A hash partition contains the rows whose key has a certain hash. The hash of an enum value, a regclass and the
like is computed from an OID, which differs in every database. pg_dump loads such data through the root table
if the key is an enum (`getPartitioningInfo` in pg_dump.c, since May 2023), but not if it is an array, a
composite type or a range of enums, nor if a nondeterministic collation decides equality.
"""

from ledgerflow_ops.adapters.connection.database import Connection

_PLACED_ANEW = """
    WITH RECURSIVE part AS (
        SELECT a.atttypid AS type, l.coll
        FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
        CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partcollation::oid[]) l(number, coll)
        LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = l.number AND l.number > 0
        WHERE p.partstrat = 'h'
        UNION ALL  -- for an expression, the operator class has the type
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


def needs_root_loading(connection: Connection) -> bool:
    """Whether the database has such a table, so that all data must be loaded through the root tables."""
    row = connection.execute(_PLACED_ANEW).fetchone()
    assert row is not None
    return bool(row[0])
