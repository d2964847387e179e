"""Whether the schema has changed since a snapshot: pg_dump also reads the current catalog."""

from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection

_CHANGED = """
    WITH now AS (SELECT txid_snapshot_xmax(txid_current_snapshot()) AS xid),
    touched AS (
        SELECT 'view' AS kind, format('%I.%I', n.nspname, c.relname) AS name, w.xmax AS by
        FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
        UNION ALL SELECT 'relation', format('%I.%I', n.nspname, c.relname), c.xmax
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE (c.relkind IN ('v', 'c', 'f', 'S') OR c.relkind = 'm' AND pg_relation_filenode(c.oid) IS NULL)
          AND c.relpersistence <> 't'
        UNION ALL SELECT 'routine', format('%I.%I', n.nspname, p.proname), p.xmax
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        UNION ALL SELECT 'type', format('%I.%I', n.nspname, t.typname), t.xmax
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r', 'm')
        UNION ALL SELECT 'schema', nspname, xmax FROM pg_namespace
        UNION ALL SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), a.xmax
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.xmax::text <> '0' AND a.attnum > 0 AND c.relpersistence <> 't' AND c.relkind NOT IN ('i', 'I')
        UNION ALL SELECT 'index', format('%I.%I', n.nspname, c.relname), i.xmax
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
        UNION ALL SELECT 'trigger', tgname, xmax FROM pg_trigger
        UNION ALL SELECT 'policy', polname, xmax FROM pg_policy
        UNION ALL SELECT 'constraint', o.conname, o.xmax
        FROM pg_constraint o LEFT JOIN pg_class c ON c.oid = o.conrelid
        WHERE c.relpersistence IS DISTINCT FROM 't'
        UNION ALL SELECT 'operator', oprname, xmax FROM pg_operator
        UNION ALL SELECT 'operator class', opcname, xmax FROM pg_opclass
        UNION ALL SELECT 'operator family', opfname, xmax FROM pg_opfamily
        UNION ALL SELECT 'cast', oid::text, xmax FROM pg_cast
        UNION ALL SELECT 'collation', collname, xmax FROM pg_collation
        UNION ALL SELECT 'conversion', conname, xmax FROM pg_conversion
        UNION ALL SELECT 'text search configuration', cfgname, xmax FROM pg_ts_config
        UNION ALL SELECT 'text search dictionary', dictname, xmax FROM pg_ts_dict
        UNION ALL SELECT 'text search parser', prsname, xmax FROM pg_ts_parser
        UNION ALL SELECT 'text search template', tmplname, xmax FROM pg_ts_template
        UNION ALL SELECT 'statistics', stxname, xmax FROM pg_statistic_ext
        UNION ALL SELECT 'event trigger', evtname, xmax FROM pg_event_trigger
        UNION ALL SELECT 'publication', pubname, xmax FROM pg_publication
        UNION ALL SELECT 'foreign-data wrapper', fdwname, xmax FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'server', srvname, xmax FROM pg_foreign_server
        UNION ALL SELECT 'language', lanname, xmax FROM pg_language
        UNION ALL SELECT 'access method', amname, xmax FROM pg_am
        UNION ALL SELECT 'extension', extname, xmax FROM pg_extension
    ),
    numbered AS (  -- a transaction number has no epoch here: the one nearest to the current one is meant
        SELECT kind, name, xid + ((by::text::bigint - xid) & 4294967295)
            - CASE WHEN ((by::text::bigint - xid) & 4294967295) > 2147483647 THEN 4294967296 ELSE 0 END AS by
        FROM touched, now WHERE by::text <> '0'
    )
    SELECT kind, name FROM numbered WHERE txid_status(by) = 'committed'
    UNION ALL  -- the rows of these also change when they are refilled: their current names are compared
    SELECT 'relation', format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
      AND c.oid::regclass::text NOT IN (quote_ident(c.relname), format('%I.%I', n.nspname, c.relname))
    LIMIT 1
"""


def find_changed_object(connection: LimitedConnection) -> str | None:
    """An object that the snapshot of `connection` sees and that was dropped or changed since; None if there
    is none.

    The snapshot still sees the old row; its xmax is the transaction that changed it. Objects that belong to a
    table can change only between the snapshot and the table's lock; an index can also be renamed later. For
    such an object pg_dump writes what the server's functions say now: nothing, for an index that is gone.
    """
    row = connection.execute(_CHANGED).fetchone()
    return f"the {row[0]} {row[1]}" if row else None
