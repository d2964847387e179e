"""The relations that belong to extensions: a dump does not contain them, CREATE EXTENSION creates them."""

from ledgerflow_ops.adapters.connection.database import Connection

_RELATIONS = """
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END || format(' %I.%I', n.nspname, c.relname),
        e.extname::text
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE d.deptype = 'e' AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND n.nspname !~ '^pg_'
    ORDER BY 1
"""


def extension_relations(connection: Connection) -> dict[str, str]:
    """The relations by kind and name (`TABLE public.x`), each with the name of its extension."""
    return dict(connection.execute(_RELATIONS).fetchall())
