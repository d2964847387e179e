-- One row for each schema object of the database: its name, its structure (comparable across server versions), its
-- definition (comparable within one major version), and the sort of the row. Members of an extension are left out,
-- because the extension creates them. Grants are written in a fixed order; the privilege MAINTAIN, which servers
-- before 17 do not have, is part of the definition.
--
-- The sort is `object` for what a dump contains and is compared. Servers and extensions may add options of columns
-- and tables: only known options are compared, and each other option is a row of the sort `note`. Rows of the sort
-- `extended` are extension members that earlier versions of this query sealed as objects.
--
-- The text for an object must never change, because earlier seals contain it. If it has to change, the earlier text
-- becomes a row of the sort `earlier`, and an object that was sealed with that text is the same object.
WITH
mine AS (  -- objects made by the user, by catalog and oid
    SELECT n.oid AS namespace, n.nspname
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
extended AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
    UNION  -- PostgreSQL records only the composite type as an extension's member, not the relation behind it
    SELECT 'pg_class'::regclass, t.typrelid FROM pg_depend d JOIN pg_type t ON t.oid = d.objid
    WHERE d.deptype = 'e' AND d.classid = 'pg_type'::regclass AND t.typrelid <> 0
    UNION  -- nor the sequence behind an identity column that was added later
    SELECT 'pg_class'::regclass, i.objid FROM pg_depend d
    JOIN pg_depend i ON i.refclassid = 'pg_class'::regclass AND i.refobjid = d.objid AND i.deptype = 'i'
    WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND i.classid = 'pg_class'::regclass AND i.refobjsubid > 0
),
known AS (  -- options that can be set: PostgreSQL's src/backend/access/common/reloptions.c, versions 9.0 to 19
    SELECT ARRAY['n_distinct', 'n_distinct_inherited'] AS of_columns,
        ARRAY['fillfactor', 'toast_tuple_target', 'parallel_workers', 'user_catalog_table', 'security_barrier',
            'security_invoker', 'check_option', 'vacuum_index_cleanup', 'vacuum_truncate', 'vacuum_max_eager_freeze_failure_rate',
            'log_autovacuum_min_duration', 'log_autoanalyze_min_duration', 'autovacuum_enabled',
            'autovacuum_vacuum_threshold', 'autovacuum_vacuum_max_threshold', 'autovacuum_vacuum_scale_factor',
            'autovacuum_vacuum_insert_threshold', 'autovacuum_vacuum_insert_scale_factor', 'autovacuum_analyze_threshold',
            'autovacuum_analyze_scale_factor', 'autovacuum_vacuum_cost_delay', 'autovacuum_vacuum_cost_limit',
            'autovacuum_freeze_min_age', 'autovacuum_freeze_max_age', 'autovacuum_freeze_table_age',
            'autovacuum_multixact_freeze_min_age', 'autovacuum_multixact_freeze_max_age',
            'autovacuum_multixact_freeze_table_age', 'autovacuum_parallel_workers', 'oids'] AS of_tables
),
relation AS (
    SELECT c.*, m.nspname, format('%I.%I', m.nspname, c.relname) AS name
    FROM pg_class c JOIN mine m ON m.namespace = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
      AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
),
derived AS (  -- routines created with a range type: pg_dump leaves out changes to their owner and grants
    SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND refclassid = 'pg_type'::regclass AND deptype = 'i'
),
parent AS (  -- each table with all its ancestors, itself included
    WITH RECURSIVE above AS (
        SELECT inhrelid AS child, inhparent AS oid FROM pg_inherits
        UNION SELECT a.child, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
    )
    SELECT child, oid FROM above
),
routine AS (
    SELECT p.*, format('%I.%I(%s)', m.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
        CASE WHEN d.objid IS NULL THEN p.proowner ELSE 10 END AS owner,
        coalesce(CASE WHEN d.objid IS NULL THEN p.proacl END,
            acldefault('f', CASE WHEN d.objid IS NULL THEN p.proowner ELSE 10 END)) AS acl
    FROM pg_proc p JOIN mine m ON m.namespace = p.pronamespace LEFT JOIN derived d ON d.objid = p.oid
    WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
),
datatype AS (
    SELECT t.*, format('%I.%I', m.nspname, t.typname) AS name
    FROM pg_type t JOIN mine m ON m.namespace = t.typnamespace
    WHERE t.typtype IN ('d', 'e', 'r')
      AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
),
grants AS (
    SELECT g.kind, g.oid, g.sub,
        string_agg(g.entry, ',' ORDER BY g.entry) FILTER (WHERE g.entry !~ ' MAINTAIN ') AS common,
        string_agg(g.entry, ',' ORDER BY g.entry) AS whole
    FROM (
        SELECT o.kind, o.oid, o.sub, format('%s %s %s', coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable) AS entry
        FROM (
            SELECT 'relation' AS kind, oid, 0 AS sub,
                coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
            FROM relation WHERE relkind <> 'c'
            UNION ALL SELECT 'column', a.attrelid, a.attnum, a.attacl FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
            UNION ALL SELECT 'routine', oid, 0, acl FROM routine
            UNION ALL SELECT 'type', oid, 0, coalesce(typacl, acldefault('T', typowner)) FROM datatype
            UNION ALL SELECT 'schema', n.oid, 0, coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_namespace n JOIN mine m ON m.namespace = n.oid
        ) o
        CROSS JOIN LATERAL aclexplode(o.acl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
    ) g
    GROUP BY 1, 2, 3
),
undumped AS (  -- objects that pg_dump does not write separately; it leaves out their comments too
    SELECT 'pg_proc'::regclass::oid AS classoid, objid AS objoid FROM derived
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid
        WHERE NOT i.indisvalid AND r.relkind <> 'p'
    UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE rulename = '_RETURN'
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgparentid <> 0
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
        WHERE contype = 'c' AND conrelid <> 0 AND NOT conislocal AND convalidated OR contype = 'f' AND conparentid <> 0
    UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t LEFT JOIN pg_class r ON r.oid = t.typrelid
        WHERE t.typtype = 'm' OR r.relkind <> 'c' OR EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
),
checked AS (  -- a table's CHECK constraints that were defined on it or on an ancestor
    SELECT p.child, u.conname FROM parent p JOIN pg_constraint u ON u.conrelid = p.oid WHERE u.contype = 'c' AND u.conislocal
),
generic AS (  -- kinds of which only presence is compared here
    SELECT 'pg_operator'::regclass AS class, oid FROM pg_operator
        WHERE oid >= 16384 AND oprcode <> 0  -- a shell operator, which exists only because another one names it, is not dumped
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE oid >= 16384
    UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE oid >= 16384
    UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE oid >= 16384
    UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE oid >= 16384
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s  -- not dumped for an extension's table
        WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = s.stxrelid)
    UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
    UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
    UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
)
SELECT 'schema ' || n.nspname, concat_ws('|', pg_get_userbyid(n.nspowner), g.common), g.whole, 'object'
FROM pg_namespace n JOIN mine m ON m.namespace = n.oid
LEFT JOIN grants g ON g.kind = 'schema' AND g.oid = n.oid
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid)

UNION ALL
SELECT CASE r.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
        WHEN 'c' THEN 'composite type ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || r.name,
    concat_ws('|', r.relkind, pg_get_userbyid(r.relowner), r.relpersistence, r.relrowsecurity, r.relforcerowsecurity,
        -- If the replica identity index was dropped, the dump has no such index, and the copy has the default.
        CASE WHEN r.relreplident <> 'i' OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisreplident)
            THEN r.relreplident ELSE 'd' END,
        -- A dump writes a view's check option as a separate clause, so a restored view has it last.
        (SELECT string_agg(o, ',' ORDER BY o LIKE 'check_option=%', n) FROM unnest(r.reloptions) WITH ORDINALITY u(o, n)
         WHERE split_part(o, '=', 1) = ANY (k.of_tables)), r.relispopulated, g.common,
        (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = r.oid),
        (SELECT concat_ws(',', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
         FROM pg_sequence s WHERE s.seqrelid = r.oid),
        (SELECT string_agg(format('%s.%I', d.refobjid::regclass, a.attname), ',')
         FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i') AND r.relkind = 'S')),
    concat_ws('|', g.whole, CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END,
        pg_get_expr(r.relpartbound, r.oid), CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) END), 'object'
FROM known k CROSS JOIN relation r LEFT JOIN grants g ON g.kind = 'relation' AND g.oid = r.oid

UNION ALL
SELECT format('column %s.%I', r.name, a.attname),
    concat_ws('|', f.typed,
        -- Before 18, NOT NULL is not an object: a restored column inherits it from any parent of its table.
        a.attnotnull OR current_setting('server_version_num')::int < 180000 AND (a.attrelid, a.attname) IN (  -- read once for all
            SELECT p.child, u.attname FROM parent p JOIN pg_attribute u ON u.attrelid = p.oid
            WHERE u.attnotnull AND NOT u.attisdropped AND u.attnum > 0),
        a.attidentity, a.attgenerated, f.storage,
        (SELECT string_agg(o, ',' ORDER BY n) FROM unnest(a.attoptions) WITH ORDINALITY u(o, n)
         WHERE split_part(o, '=', 1) = ANY (k.of_columns)), g.common, f.collated),
    concat_ws('|', g.whole, pg_get_expr(d.adbin, d.adrelid)), f.sort
FROM known k CROSS JOIN pg_attribute a JOIN relation r ON r.oid = a.attrelid AND r.relkind <> 'S'
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN grants g ON g.kind = 'column' AND g.oid = a.attrelid AND g.sub = a.attnum
-- A dump does not contain the type of a view's column: it results from the query, and may lose its length.
CROSS JOIN LATERAL (VALUES
    ('object', CASE WHEN r.relkind NOT IN ('v', 'm') THEN format_type(a.atttypid, a.atttypmod) END, CASE WHEN r.relkind NOT IN ('v', 'm') OR a.attstorage <> t.typstorage THEN a.attstorage END,
        CASE WHEN r.relkind NOT IN ('v', 'm') THEN c.collname END),
    (CASE WHEN r.relkind IN ('v', 'm') THEN 'earlier' END, format_type(a.atttypid, a.atttypmod), a.attstorage, c.collname)) f(sort, typed, storage, collated)
WHERE a.attnum > 0 AND NOT a.attisdropped AND f.sort IS NOT NULL

UNION ALL
SELECT format('constraint %I on %s', c.conname, coalesce(r.name, t.name)),
    concat_ws('|', c.contype, c.condeferrable, c.condeferred, c.convalidated AND NOT later, CASE WHEN c.contype = 'c' THEN c.connoinherit END),
    pg_get_constraintdef(c.oid) || CASE WHEN c.convalidated AND later THEN ' NOT VALID' ELSE '' END, 'object'
FROM pg_constraint c LEFT JOIN relation r ON r.oid = c.conrelid LEFT JOIN datatype t ON t.oid = c.contypid
-- A constraint that a table only inherits is as valid as its parent's: pg_dump creates it there, after all tables.
CROSS JOIN LATERAL (SELECT c.contype = 'c' AND c.conrelid <> 0 AND NOT c.conislocal AND (c.conrelid, c.conname) IN (
    SELECT p.child, u.conname FROM parent p JOIN pg_constraint u ON u.conrelid = p.oid
    WHERE u.contype = 'c' AND NOT u.convalidated) AS later) inherited
WHERE c.contype NOT IN ('n', 't') AND (r.oid IS NOT NULL OR t.oid IS NOT NULL)
  -- The constraints on partitions that a foreign key of or to a partitioned table creates get new names.
  AND (c.contype <> 'f' OR c.conparentid = 0)
  AND NOT (c.contype = 'c' AND c.conrelid <> 0 AND NOT c.conislocal AND (c.conrelid, c.conname) NOT IN (TABLE checked))

UNION ALL
SELECT format('index %I on %s', x.relname, r.name),
    concat_ws('|', i.indisunique, i.indisprimary, i.indisclustered, i.indisvalid, i.indisreplident, am.amname), f.definition, f.sort
FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
LEFT JOIN pg_constraint e ON e.conindid = i.indexrelid AND e.contype = 'x'  -- the definition of the constraint contains the index
CROSS JOIN LATERAL (VALUES
    ('object', CASE WHEN e.oid IS NULL THEN pg_get_indexdef(i.indexrelid) END),
    (CASE WHEN e.oid IS NOT NULL THEN 'earlier' END, pg_get_indexdef(i.indexrelid))) f(sort, definition)
WHERE (i.indisvalid OR r.relkind = 'p')  -- pg_dump leaves out what a failed CREATE INDEX CONCURRENTLY left behind
  AND f.sort IS NOT NULL

UNION ALL
SELECT 'routine ' || p.name,
    concat_ws('|', p.prokind, pg_get_userbyid(p.owner), l.lanname, p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof,
        p.proparallel, p.procost, p.prorows, pg_get_function_result(p.oid), array_to_string(p.proconfig, ','), md5(p.prosrc), p.probin, g.common),
    concat_ws('|', pg_get_function_arguments(p.oid), CASE WHEN p.prokind <> 'a' THEN pg_get_function_sqlbody(p.oid) END), 'object'
FROM routine p JOIN pg_language l ON l.oid = p.prolang LEFT JOIN grants g ON g.kind = 'routine' AND g.oid = p.oid

UNION ALL
SELECT format('trigger %I on %s', t.tgname, r.name), concat_ws('|', t.tgenabled, t.tgtype), f.definition, f.sort
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
-- A partition's cloned trigger has the definition of its parent's trigger.
CROSS JOIN LATERAL (VALUES
    ('object', CASE WHEN t.tgparentid = 0 THEN pg_get_triggerdef(t.oid) END),
    (CASE WHEN t.tgparentid <> 0 THEN 'earlier' END, pg_get_triggerdef(t.oid))) f(sort, definition)
WHERE NOT t.tgisinternal AND f.sort IS NOT NULL

UNION ALL
SELECT format('rule %I on %s', w.rulename, r.name), w.ev_enabled::text, pg_get_ruledef(w.oid), 'object'
FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'

UNION ALL
SELECT format('policy %I on %s', p.polname, r.name),
    concat_ws('|', p.polcmd, p.polpermissive,
        (SELECT string_agg(coalesce(o.rolname, 'PUBLIC'), ',' ORDER BY o.rolname) FROM unnest(p.polroles) role LEFT JOIN pg_roles o ON o.oid = role)),
    concat_ws('|', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), 'object'
FROM pg_policy p JOIN relation r ON r.oid = p.polrelid

UNION ALL
SELECT 'type ' || t.name,
    concat_ws('|', t.typtype, pg_get_userbyid(t.typowner), t.typnotnull, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
        (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
        (SELECT format_type(s.rngsubtype, NULL) FROM pg_range s WHERE s.rngtypid = t.oid), g.common),
    f.definition, f.sort
FROM datatype t LEFT JOIN grants g ON g.kind = 'type' AND g.oid = t.oid
-- The catalog also stores a domain's default as text, with names by the search_path of its creation.
CROSS JOIN LATERAL (VALUES
    ('object', coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault)),
    (CASE WHEN t.typdefaultbin IS NOT NULL THEN 'earlier' END, t.typdefault)) f(sort, definition)
WHERE f.sort IS NOT NULL

UNION ALL
SELECT format('event trigger %I', e.evtname), concat_ws('|', e.evtevent, pg_get_userbyid(e.evtowner), e.evtenabled, array_to_string(e.evttags, ','), e.evtfoid::regproc), NULL,
    CASE WHEN EXISTS (SELECT FROM extended x WHERE x.classid = 'pg_event_trigger'::regclass AND x.objid = e.oid) THEN 'extended' ELSE 'object' END
FROM pg_event_trigger e

UNION ALL
SELECT format('publication %I', p.pubname), concat_ws('|', pg_get_userbyid(p.pubowner), p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
    (SELECT string_agg(s.prrelid::regclass::text, ',' ORDER BY s.prrelid::regclass::text) FROM pg_publication_rel s WHERE s.prpubid = p.oid)), NULL, 'object'
FROM pg_publication p

UNION ALL
SELECT 'large objects', concat_ws('|', count(*), md5(string_agg(format('%s %s', l.oid, pg_get_userbyid(l.lomowner)), ',' ORDER BY l.oid))), NULL, 'object'
FROM pg_largeobject_metadata l HAVING count(*) > 0

UNION ALL
SELECT 'large object grants', md5(string_agg(g.entry, ',' ORDER BY g.entry)), NULL, 'object'
FROM (SELECT format('%s %s %s %s', l.oid, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable) AS entry
      FROM pg_largeobject_metadata l CROSS JOIN LATERAL aclexplode(l.lomacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
      WHERE l.lomacl IS NOT NULL) g
HAVING count(*) > 0

UNION ALL
SELECT i.type || ' ' || i.identity, '', NULL, 'object'
FROM generic g CROSS JOIN LATERAL pg_identify_object(g.class, g.oid, 0) i
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = g.class AND e.objid = g.oid)
  AND coalesce(i.schema, '') !~ '^pg_'  -- objects created in the system's own schemas are not dumped

UNION ALL
SELECT CASE WHEN u.objoid IS NULL THEN format('comment on %s %s', i.type, i.identity)
        ELSE format('comment on %s %s: not in the dump', i.type, i.identity) END,
    CASE WHEN u.objoid IS NULL THEN md5(d.description) ELSE '' END, NULL, CASE WHEN u.objoid IS NULL THEN 'object' ELSE 'note' END
FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
LEFT JOIN undumped u ON u.classoid = d.classoid AND u.objoid = d.objoid AND d.objsubid = 0
WHERE (d.objoid >= 16384 OR d.classoid = 'pg_largeobject'::regclass) AND d.classoid <> 'pg_extension'::regclass AND coalesce(i.schema, '') !~ '^pg_'
  AND coalesce(i.identity, '') <> ''  -- entries of dropped objects, which servers leave behind for subscriptions
  AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = d.classoid AND e.objid = d.objoid)

UNION ALL
SELECT unnest(ARRAY['composite type ' || c.oid::regclass::text]
        || array(SELECT format('column %s.%I', c.oid::regclass, a.attname) FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), '', NULL, 'extended'
FROM pg_class c JOIN mine m ON m.namespace = c.relnamespace
JOIN extended e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid
WHERE c.relkind = 'c'

UNION ALL
SELECT format('option %s of %s %s, such as %s: not known here, not compared', o.name, count(*), CASE count(*) WHEN 1 THEN 'column' ELSE 'columns' END, min(o.place)), '', NULL, 'note'
FROM (SELECT split_part(unnest(a.attoptions), '=', 1) AS name, format('%s.%I', r.name, a.attname) AS place
      FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped) o
CROSS JOIN known k WHERE o.name <> ALL (k.of_columns)
GROUP BY o.name

UNION ALL
SELECT format('option %s of %s %s, such as %s: not known here, not compared', o.name, count(*), CASE count(*) WHEN 1 THEN 'relation' ELSE 'relations' END, min(o.place)), '', NULL, 'note'
FROM (SELECT split_part(unnest(r.reloptions), '=', 1) AS name, r.name AS place FROM relation r) o
CROSS JOIN known k WHERE o.name <> ALL (k.of_tables)
GROUP BY o.name

UNION ALL
SELECT format('index %s of %s is not valid: not in the dump', i.indexrelid::regclass, r.name), '', NULL, 'note'
FROM pg_index i JOIN relation r ON r.oid = i.indrelid WHERE NOT i.indisvalid AND r.relkind <> 'p'

UNION ALL  -- dropping a parent's column drops its constraints there alone, and pg_dump writes none that is only inherited
SELECT format('constraint %I on %s: inherited from no table that has it: not in the dump', c.conname, r.name), '', NULL, 'note'
FROM pg_constraint c JOIN relation r ON r.oid = c.conrelid
WHERE c.contype = 'c' AND NOT c.conislocal AND (c.conrelid, c.conname) NOT IN (TABLE checked)

UNION ALL
SELECT format('extension %s belongs to %s: a dump does not say so; whoever restores it owns it then', x.extname, pg_get_userbyid(x.extowner)), '', NULL, 'note'
FROM pg_extension x WHERE x.extowner <> 10
ORDER BY 1
