-- One database with one of nearly everything that PostgreSQL can hold and pg_dump can write: each is
-- something that a comparison of a restored copy with its source may wrongly take for a difference.
-- Run by a superuser in an empty database, with the two names of roles filled in between underscores.

CREATE EXTENSION btree_gist;
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION file_fdw;
CREATE EXTENSION postgres_fdw;

-- Schemas, owners, default privileges ---------------------------------------------------------------
CREATE SCHEMA "Büro; DROP ""all""" AUTHORIZATION __app__;
CREATE SCHEMA shop AUTHORIZATION __odd__;
COMMENT ON SCHEMA shop IS 'a schema''s comment; with -- dashes
COPY shop.t (a) FROM stdin;
\.
';
GRANT USAGE ON SCHEMA shop TO PUBLIC;
GRANT CREATE, USAGE ON SCHEMA shop TO __app__ WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE __app__ IN SCHEMA shop GRANT SELECT ON TABLES TO __odd__;
ALTER DEFAULT PRIVILEGES FOR ROLE __odd__ REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE __odd__ GRANT USAGE ON SEQUENCES TO __app__ WITH GRANT OPTION;

-- Types -------------------------------------------------------------------------------------------
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'won''t say', '"quoted"');
ALTER TYPE shop.mood ADD VALUE 'between' BEFORE 'ok';
CREATE TYPE shop.pair AS (a integer, "b c" text COLLATE "C");
ALTER TYPE shop.pair OWNER TO __app__;
CREATE TYPE shop.span AS RANGE (subtype = text, collation = "C", multirange_type_name = shop.spans);
CREATE DOMAIN shop.positive AS numeric(14, 2) DEFAULT 1 CONSTRAINT is_positive CHECK (VALUE > 0);
CREATE DOMAIN shop.very_positive AS shop.positive NOT NULL CHECK (VALUE > 1);
CREATE DOMAIN shop.words AS varchar(10)[] CONSTRAINT few CHECK (array_length(VALUE, 1) < 5);
CREATE DOMAIN shop.state AS varchar(8) CHECK (VALUE IN ('new', 'old', 'gone'));
GRANT USAGE ON TYPE shop.mood TO __odd__;
REVOKE USAGE ON TYPE shop.positive FROM PUBLIC;
CREATE COLLATION shop.german (provider = libc, locale = 'POSIX');
COMMENT ON TYPE shop.mood IS E'how one feels\ttoday\\';

-- Names that need quotes ----------------------------------------------------------------------------
CREATE TABLE "Büro; DROP ""all"""."A ""table""
with a line; and 'quotes' (brackets) \." (
    "Id;" integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "Büro; DROP ""all"""."the 'odd' ""seq""
uence; \." START 5 INCREMENT 3 CYCLE MAXVALUE 1000) PRIMARY KEY,
    "co""lumn" text DEFAULT E'\\.\n"''',
    "FROM stdin;
" text,
    "select" varchar(3) CHECK ("select" IN ('a', 'b''', '(c')),
    "100%" numeric,
    "{braces}" double precision,
    "naïve 🧾" bytea
);
INSERT INTO "Büro; DROP ""all"""."A ""table""
with a line; and 'quotes' (brackets) \." ("FROM stdin;
", "select", "100%", "{braces}", "naïve 🧾") VALUES
    (E'\\.', 'a', 'NaN', 'Infinity', '\x00ff5c2e0a'),
    (E'\n\\.\n', 'b''', 'Infinity', '-Infinity', NULL),
    (E'COPY x FROM stdin;\n1\t2\n\\.\n', '(c', '-Infinity', 'NaN', ''),
    (E'\r\n\\N\t\b\f\v', NULL, 1e100, 1e-300, NULL),
    ('', NULL, 0.10, 0.1, NULL);
CREATE INDEX "an index; on ""it""" ON "Büro; DROP ""all"""."A ""table""
with a line; and 'quotes' (brackets) \." (lower("co""lumn"), ("100%" + 1));
COMMENT ON COLUMN "Büro; DROP ""all"""."A ""table""
with a line; and 'quotes' (brackets) \."."FROM stdin;
" IS 'SELECT pg_catalog.setval(''public.nothing'', 1, true);';
CREATE TABLE shop."a.b" ("c.d" integer, "(" text, ")" text, "," text);
INSERT INTO shop."a.b" VALUES (1, '(', ')', ',');
CREATE SEQUENCE shop."seq'uence.of "".""" AS smallint START -5 INCREMENT -2 MINVALUE -100 MAXVALUE 7 CACHE 3;
SELECT nextval('shop."seq''uence.of ""."""');
CREATE SEQUENCE shop.never_called MINVALUE 10;
CREATE UNLOGGED SEQUENCE shop.unlogged_sequence;

-- Tables of every shape -----------------------------------------------------------------------------
CREATE TABLE shop.no_columns ();
INSERT INTO shop.no_columns DEFAULT VALUES;
INSERT INTO shop.no_columns DEFAULT VALUES;
CREATE TABLE shop.only_generated (a integer GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO shop.only_generated DEFAULT VALUES;
CREATE TABLE shop.empty (a integer, b shop.mood[], c shop.pair);
CREATE TABLE shop.dropped_columns (a integer, gone text, b text, lost numeric);
INSERT INTO shop.dropped_columns VALUES (1, 'x', 'y', 2);
ALTER TABLE shop.dropped_columns DROP COLUMN gone, DROP COLUMN lost;
ALTER TABLE shop.dropped_columns ADD COLUMN late integer DEFAULT 7;
CREATE UNLOGGED TABLE shop.unlogged (a serial PRIMARY KEY, b timestamptz DEFAULT '2025-04-22 10:00+02');
INSERT INTO shop.unlogged VALUES (DEFAULT), (DEFAULT);
CREATE TABLE shop.item (
    id bigserial PRIMARY KEY,
    kind varchar(12) NOT NULL CONSTRAINT item_kind CHECK (kind IN ('bank', 'revenue', 'it''s (tax)')),
    status text CHECK (status <> ALL (ARRAY['x', 'y'])),
    price shop.positive,
    more shop.very_positive DEFAULT 3,
    tags shop.words,
    life shop.state,
    mood shop.mood DEFAULT 'ok',
    pair shop.pair,
    span shop.span,
    spans shop.spans,
    label text COLLATE shop.german,
    mail citext,
    extra hstore,
    money money,
    double shop.positive GENERATED ALWAYS AS (price * 2) STORED,
    body text STORAGE EXTERNAL COMPRESSION pglz,
    "when" timestamptz DEFAULT '2020-01-01 00:00:00+00',
    took interval,
    doc jsonb,
    xml xml,
    bits bit varying(9),
    address inet,
    path path,
    number real,
    "user" name DEFAULT CURRENT_USER
) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
ALTER TABLE shop.item ALTER COLUMN status SET STATISTICS 500, ALTER COLUMN kind SET (n_distinct = -0.5);
ALTER TABLE shop.item REPLICA IDENTITY FULL, OWNER TO __odd__;
INSERT INTO shop.item (kind, status, price, tags, life, pair, span, spans, label, mail, extra, money, body, took, doc,
        xml, bits, address, path, number)
    SELECT (ARRAY['bank', 'revenue', 'it''s (tax)'])[1 + i % 3], 's' || i, i, ARRAY['a', NULL, E'\\.'], 'old',
        ROW (i, E'"\\')::shop.pair, format('[%s,%s]', i, i)::shop.span, '{[a,b),[c,d)}', 'Straße', 'A@B', 'a=>1, "b c"=>NULL',
        i::numeric::money, repeat(md5(i::text), i * 7 % 500), '1 year -3 days 04:05:06.789', '{"a": [1, "\\"]}',
        '<a>&lt;</a>', B'10110', '::1/64', '((1,2),(3,4))', i / 3.0
    FROM generate_series(1, 300) AS i;
-- Rows of many lengths: where they come to lie decides in which order they are read.
CREATE TABLE shop.lengths (id integer, body text STORAGE PLAIN);
INSERT INTO shop.lengths SELECT i, repeat('x', (i * 7919) % 7000) FROM generate_series(1, 400) AS i;
DELETE FROM shop.lengths WHERE id % 7 = 0;
INSERT INTO shop.lengths SELECT 1000 + i, repeat('y', (i * 31) % 900) FROM generate_series(1, 200) AS i;
CREATE TABLE shop.huge (id integer, body text, raw bytea);
INSERT INTO shop.huge VALUES
    (1, repeat(E'a line with \\ and \t and \\.\n', 120000), decode(repeat('005c0a0d', 200000), 'hex'));

-- Relations between them ---------------------------------------------------------------------------
CREATE TABLE shop.parent (id integer PRIMARY KEY, a text DEFAULT 'p', CHECK (id > 0) NO INHERIT);
CREATE TABLE shop.child (b integer, CHECK (b < 100)) INHERITS (shop.parent);
-- Its columns come in another order when it is made anew: those of the parent first, the late ones too.
ALTER TABLE shop.parent ADD COLUMN late text DEFAULT 'l';
INSERT INTO shop.child (id, a, b, late) VALUES (77, 'x', 7, 'y'), (78, NULL, 8, 'z');
ALTER TABLE ONLY shop.child ALTER COLUMN a SET DEFAULT 'c';
INSERT INTO shop.parent VALUES (1), (2);
INSERT INTO shop.child VALUES (3, 'x', 4);
CREATE TABLE shop.booking (
    room integer, during tstzrange, item bigint REFERENCES shop.item ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0)
);
ALTER TABLE shop.booking ADD CONSTRAINT unproven FOREIGN KEY (item) REFERENCES shop.item NOT VALID;
INSERT INTO shop.booking VALUES (1, '[2025-01-01,2025-01-02)', 1), (1, '[2025-01-02,infinity)', 2);
CREATE UNIQUE INDEX item_status ON shop.item (status) INCLUDE (kind) NULLS NOT DISTINCT WHERE status IS NOT NULL;
CREATE INDEX item_doc ON shop.item USING gin (doc jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX item_label ON shop.item (label COLLATE "C" DESC NULLS LAST, (price + 1));
ALTER INDEX shop.item_label ALTER COLUMN 2 SET STATISTICS 200;
ALTER TABLE shop.item CLUSTER ON item_pkey;
CREATE STATISTICS shop.item_statistics (ndistinct, dependencies) ON kind, status FROM shop.item;
CREATE STATISTICS shop.item_expression ON (price + 1), lower(status) FROM shop.item;
ALTER STATISTICS shop.item_statistics SET STATISTICS 300;

-- Partitions: by range below a list, made in an order that is not theirs; referenced and referencing.
CREATE TABLE shop.journal (id integer, region varchar(8), "on" date, PRIMARY KEY (id, region, "on"))
    PARTITION BY LIST (region);
CREATE TABLE shop.journal_default PARTITION OF shop.journal DEFAULT;
CREATE TABLE shop.journal_z PARTITION OF shop.journal FOR VALUES IN ('z', 'y') PARTITION BY RANGE ("on");
CREATE TABLE shop.journal_z_late PARTITION OF shop.journal_z FOR VALUES FROM ('2025-06-01') TO (MAXVALUE);
CREATE TABLE shop.line (
    id integer, region varchar(8), "on" date,
    CONSTRAINT line_journal FOREIGN KEY (id, region, "on") REFERENCES shop.journal
);
CREATE TABLE shop.journal_z_early PARTITION OF shop.journal_z FOR VALUES FROM ('2025-01-01') TO ('2025-06-01');
CREATE TABLE shop.journal_a PARTITION OF shop.journal FOR VALUES IN ('a');
CREATE TABLE shop.hashed (id integer PRIMARY KEY, item bigint REFERENCES shop.item) PARTITION BY HASH (id);
CREATE TABLE shop.hashed_1 PARTITION OF shop.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE shop.hashed_0 (item bigint, id integer NOT NULL, CONSTRAINT own_name FOREIGN KEY (item) REFERENCES shop.item);
ALTER TABLE shop.hashed ATTACH PARTITION shop.hashed_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE INDEX hashed_item ON ONLY shop.hashed (item);
INSERT INTO shop.journal SELECT i, (ARRAY['a', 'y', 'z', 'other'])[1 + i % 4], date '2025-01-01' + i
    FROM generate_series(1, 300) AS i;
INSERT INTO shop.line SELECT * FROM shop.journal WHERE id % 10 = 0;
INSERT INTO shop.hashed SELECT i, i FROM generate_series(1, 50) AS i;

-- Routines, triggers, rules, policies ----------------------------------------------------------------
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $x$
BEGIN
    /*
COPY shop.item (id) FROM stdin;
\.
    */
    RETURN NEW;
END
$x$;
CREATE FUNCTION shop.twice(a integer DEFAULT 1, VARIADIC b text[] DEFAULT '{}') RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 BEGIN ATOMIC SELECT a * 2 WHERE 'x'::varchar IN ('x', 'y'); END;
CREATE FUNCTION shop.rows(OUT a integer, OUT b text) RETURNS SETOF record LANGUAGE sql STABLE ROWS 5 AS 'SELECT 1, ''x''';
CREATE PROCEDURE shop.act(INOUT a integer) LANGUAGE plpgsql AS 'BEGIN a := a + 1; END';
CREATE FUNCTION shop.add(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT RETURN $1 + $2;
CREATE AGGREGATE shop.total(integer) (SFUNC = shop.add, STYPE = integer, INITCOND = '0', PARALLEL = SAFE);
CREATE AGGREGATE shop.nth(double precision ORDER BY anyelement) (
    SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE OPERATOR shop.@+ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = shop.add, COMMUTATOR = OPERATOR(shop.@+));
CREATE FUNCTION shop.mood_number(shop.mood) RETURNS integer LANGUAGE sql IMMUTABLE RETURN length($1::text);
CREATE CAST (shop.mood AS integer) WITH FUNCTION shop.mood_number(shop.mood) AS ASSIGNMENT;
CREATE FUNCTION shop.compare(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN sign($2 - $1);
-- Its negator is a shell: a name that nothing stands behind, and that no dump holds.
CREATE OPERATOR shop.<+> (LEFTARG = boolean, RIGHTARG = boolean, FUNCTION = booleq, NEGATOR = OPERATOR(shop.<->));
CREATE OPERATOR CLASS shop.backwards FOR TYPE integer USING btree AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 shop.compare(integer, integer);
GRANT EXECUTE ON FUNCTION shop.twice(integer, text[]) TO __odd__;
REVOKE EXECUTE ON FUNCTION shop.add(integer, integer) FROM PUBLIC;
ALTER FUNCTION shop.touch() OWNER TO __app__;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF status ON shop.item FOR EACH ROW
    WHEN (NEW.kind IN ('bank', 'revenue') AND NEW.status::text <> 'a'::varchar(3))
    EXECUTE FUNCTION shop.touch('arg', E'it''s \\');
CREATE TRIGGER "every; row" AFTER INSERT ON shop.journal FOR EACH ROW EXECUTE FUNCTION shop.touch();
ALTER TABLE shop.journal_a DISABLE TRIGGER "every; row";
ALTER TABLE shop.item DISABLE TRIGGER touch;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shop.parent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.touch();
ALTER TABLE shop.parent ENABLE ALWAYS TRIGGER late;
CREATE RULE no_delete AS ON DELETE TO shop.parent WHERE OLD.a::varchar IN ('x', 'y') DO INSTEAD NOTHING;
CREATE RULE copy_insert AS ON INSERT TO shop.unlogged DO ALSO INSERT INTO shop.empty (a) VALUES (NEW.a);
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.item AS RESTRICTIVE FOR ALL TO __app__, __odd__
    USING ("user" = CURRENT_USER AND kind IN ('bank', 'revenue')) WITH CHECK (price > 0);
CREATE POLICY "every one's" ON shop.item USING (true);

-- Views ---------------------------------------------------------------------------------------------
CREATE VIEW shop.cheap WITH (security_barrier, check_option = local) AS
    SELECT id, kind::text AS kind, price::numeric(10, 1) AS price, ("when" AT TIME ZONE 'UTC')::date AS day,
        CASE WHEN kind IN ('bank', 'revenue') THEN (price + 1) * 2 ELSE price + 1 * 2 END AS score
    FROM shop.item WHERE kind IN ('bank', 'revenue') AND price < 5::shop.positive;
ALTER VIEW shop.cheap ALTER COLUMN price SET DEFAULT 4;
CREATE VIEW shop.grouped AS
    SELECT i.id, i.kind, count(*) FROM shop.item AS i JOIN shop.booking AS b ON b.item = i.id GROUP BY i.id;
CREATE RECURSIVE VIEW shop.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;
CREATE VIEW shop.old AS SELECT 1 AS x;
CREATE VIEW shop.young AS SELECT x FROM shop.old;
CREATE OR REPLACE VIEW shop.old AS SELECT x FROM (SELECT 1 AS x WHERE false) AS s;
CREATE MATERIALIZED VIEW shop.filled AS SELECT a AS kind, count(*) FROM shop.parent GROUP BY a;
CREATE UNIQUE INDEX filled_kind ON shop.filled (kind);
CREATE MATERIALIZED VIEW shop.unfilled AS SELECT * FROM shop.filled WITH NO DATA;
GRANT SELECT ON shop.parent TO __app__;
ALTER MATERIALIZED VIEW shop.filled OWNER TO __app__;
GRANT SELECT (id, kind), UPDATE (price) ON shop.item TO __app__ WITH GRANT OPTION;
REVOKE ALL ON shop.empty FROM CURRENT_USER;
GRANT ALL ON shop.cheap TO __odd__;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA shop TO PUBLIC;

-- Beside the tables ---------------------------------------------------------------------------------
SELECT lo_from_bytea(0, decode(repeat('00ff5c2e', 9000), 'hex')), lo_from_bytea(4242, '\x'), lo_create(0);
ALTER LARGE OBJECT 4242 OWNER TO __app__;
GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC;
COMMENT ON LARGE OBJECT 4242 IS 'a scan';
CREATE FOREIGN DATA WRAPPER dummy OPTIONS (debug 'true');
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER "other 'server'" TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'nowhere.invalid', dbname 'd');
CREATE USER MAPPING FOR PUBLIC SERVER "other 'server'" OPTIONS (user 'u');
CREATE FOREIGN TABLE shop.elsewhere (
    a integer OPTIONS (column_name 'b') NOT NULL, c text DEFAULT 'x', CHECK (a > 0)
) SERVER "other 'server'" OPTIONS (table_name 'y');
CREATE FOREIGN TABLE shop.file (line text) SERVER files OPTIONS (filename '/nonexistent', format 'csv');
CREATE TEXT SEARCH DICTIONARY shop.plain (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION shop.search (COPY = pg_catalog.german);
ALTER TEXT SEARCH CONFIGURATION shop.search ALTER MAPPING FOR asciiword WITH shop.plain, german_stem;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION parents FOR TABLE shop.parent (id) WHERE (id > 3);
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA "Büro; DROP ""all""";
CREATE FUNCTION shop.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER "on; ddl" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')
    EXECUTE FUNCTION shop.on_ddl();
ALTER EVENT TRIGGER "on; ddl" DISABLE;
COMMENT ON EVENT TRIGGER "on; ddl" IS 'off';
COMMENT ON CONSTRAINT item_kind ON shop.item IS 'three kinds';
COMMENT ON TRIGGER touch ON shop.item IS 'touches';
COMMENT ON POLICY mine ON shop.item IS 'mine';
COMMENT ON RULE no_delete ON shop.parent IS 'no';
COMMENT ON OPERATOR shop.@+ (integer, integer) IS 'plus';
COMMENT ON AGGREGATE shop.total(integer) IS 'sum';
COMMENT ON COLUMN shop.cheap.price IS 'a view''s column';
COMMENT ON INDEX shop.filled_kind IS 'unique';
COMMENT ON CAST (shop.mood AS integer) IS 'cast';
COMMENT ON STATISTICS shop.item_statistics IS 'statistics';

-- And what is rarer still --------------------------------------------------------------------------
CREATE TYPE shop.person AS (name text, age int);
CREATE TABLE shop.typed OF shop.person (age WITH OPTIONS DEFAULT 3, PRIMARY KEY (name));
INSERT INTO shop.typed VALUES ('x');
CREATE TABLE shop.p1 (a int, c int);
CREATE TABLE shop.p2 (a int, b int);
CREATE TABLE shop.both () INHERITS (shop.p1, shop.p2);
INSERT INTO shop.both VALUES (1,20,3);
ALTER TABLE shop.p1 ADD CONSTRAINT nv CHECK (c > 5) NOT VALID;
CREATE DOMAIN shop.dnv AS int;
CREATE TABLE shop.dt (d shop.dnv);
INSERT INTO shop.dt VALUES (7);
ALTER DOMAIN shop.dnv ADD CONSTRAINT big CHECK (VALUE > 5) NOT VALID;
CREATE VIEW shop.iv AS SELECT a FROM shop.p1;
CREATE TRIGGER iot INSTEAD OF INSERT ON shop.iv FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TABLE shop.du (a int UNIQUE DEFERRABLE INITIALLY DEFERRED, b int UNIQUE NULLS NOT DISTINCT);
ALTER TABLE shop.du REPLICA IDENTITY NOTHING;
CREATE TABLE shop.ri (a int NOT NULL UNIQUE);
ALTER TABLE shop.ri REPLICA IDENTITY USING INDEX ri_a_key;
CREATE TABLE shop.part (gone int, a int, b text) PARTITION BY RANGE (a, lower(b));
ALTER TABLE shop.part DROP COLUMN gone;
CREATE TABLE shop.part_x (b text, x int, a int);
ALTER TABLE shop.part_x DROP COLUMN x;
ALTER TABLE shop.part ATTACH PARTITION shop.part_x FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, 'm');
CREATE TABLE shop.part_d PARTITION OF shop.part DEFAULT;
INSERT INTO shop.part VALUES (1,'a'),(20,'z'),(NULL,NULL);
ALTER TABLE shop.part_x ALTER COLUMN b SET DEFAULT 'px', ALTER COLUMN b SET NOT NULL;
CREATE TABLE shop.idpart (id int GENERATED BY DEFAULT AS IDENTITY, a int) PARTITION BY LIST (a);
CREATE TABLE shop.idpart1 PARTITION OF shop.idpart FOR VALUES IN (1);
INSERT INTO shop.idpart (a) VALUES (1),(1);
CREATE OPERATOR FAMILY shop.fam USING hash;
CREATE TYPE shop.base;
CREATE FUNCTION shop.base_in(cstring) RETURNS shop.base LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION shop.base_out(shop.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE shop.base (INPUT = shop.base_in, OUTPUT = shop.base_out, LIKE = integer, CATEGORY = 'N');
CREATE CAST (shop.base AS integer) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (shop.person AS text) WITH INOUT;
CREATE TABLE shop.basetab (b shop.base, c shop.base[]);
INSERT INTO shop.basetab VALUES ('5', '{1,2}');
CREATE CONVERSION shop.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH TEMPLATE shop.tst (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH PARSER shop.tsp (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    LEXTYPES = prsd_lextype);
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE shop.am_table (a int) USING heap2;
INSERT INTO shop.am_table VALUES (1);
GRANT USAGE ON FOREIGN SERVER files TO __app__;
GRANT USAGE ON FOREIGN DATA WRAPPER dummy TO __app__ WITH GRANT OPTION;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO __app__;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) FROM PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO __app__;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO __app__;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
CREATE VIEW shop.arr AS SELECT * FROM (VALUES ('a'::varchar), ('b')) v(x) WHERE x = ANY (ARRAY['a','b']::varchar[])
    AND NOT x IN ('q', 'r') AND x LIKE ANY (ARRAY['a%', 'b']);
CREATE VIEW shop.ival AS SELECT '1 day'::interval day to second(3) AS i, '12:00'::time(3) with time
    zone AS t, now()::timestamp(2) AS ts, 'x'::"char" AS c, 1::bit(3) AS b, B'101'::bit varying(5)
    AS bv, 'a'::bpchar AS bp, E'a\\b\n''c' AS e, '{1.5}'::numeric(6,2)[] AS n FROM (SELECT 1) x WHERE
    '{1}'::int[] IS NOT NULL;
CREATE VIEW shop.wf AS SELECT a, sum(a) OVER w, rank() OVER (PARTITION BY a ORDER BY b DESC NULLS
    LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM shop.p2 WINDOW w AS (ORDER BY
    b);
CREATE VIEW shop.lat AS SELECT DISTINCT ON (a) a, x.b, GROUPING(a) FROM shop.p2 LEFT JOIN LATERAL
    (SELECT b FROM shop.p2 q WHERE q.a = p2.a LIMIT 1) x(b) ON true GROUP BY GROUPING SETS ((a, x.b),
    (a)) HAVING count(*) FILTER (WHERE x.b > 1) > 0;
CREATE VIEW shop.js AS SELECT jt.* FROM JSON_TABLE('[{"a":1}]'::jsonb, '$[*]' COLUMNS (a int PATH
    '$.a', b varchar(3) PATH '$.b' DEFAULT 'x' ON EMPTY)) jt;
CREATE VIEW shop.xm AS SELECT xmlelement(name foo, xmlattributes(1 AS bar), 'x') AS x, xmlserialize(content
    '<a/>'::xml AS text) y;
CREATE FUNCTION shop.sqlbody(x shop.mood, y varchar DEFAULT 'a') RETURNS boolean LANGUAGE sql RETURN
    y IN ('a', 'b') AND x IN ('sad', 'ok');
CREATE INDEX p1_in ON shop.p1 ((a::varchar(3) IN ('1', '2'))) WHERE a::text IN ('1', '2');
CREATE TABLE shop.gen (a varchar(3), g boolean GENERATED ALWAYS AS (a IN ('x', 'y')) STORED, d varchar(5)
    DEFAULT ('a'::varchar || 'b') COLLATE "C");
INSERT INTO shop.gen VALUES ('x');
CREATE MATERIALIZED VIEW shop.mv2 AS SELECT g FROM shop.gen;
CREATE VIEW shop.vmv AS SELECT * FROM shop.mv2;
COMMENT ON CONSTRAINT big ON DOMAIN shop.dnv IS 'dc';
COMMENT ON TYPE shop.person IS 'p';
COMMENT ON COLUMN shop.person.age IS 'years';
COMMENT ON EXTENSION hstore IS 'changed';
COMMENT ON SERVER files IS 's';
COMMENT ON LANGUAGE plpgsql IS 'mine';
COMMENT ON PUBLICATION everything IS 'e';
COMMENT ON SCHEMA public IS 'changed';
COMMENT ON ACCESS METHOD heap2 IS 'am';
COMMENT ON FUNCTION pg_catalog.pg_sleep(double precision) IS 'zzz';
ALTER SCHEMA public OWNER TO __app__;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER TABLE shop.item ALTER COLUMN body SET STORAGE MAIN;
ALTER TABLE shop.p1 SET (toast_tuple_target = 200), ALTER COLUMN a SET STATISTICS 0;
CREATE TABLE shop.wide AS SELECT i AS a, repeat(chr(65 + i % 26), 3000) AS b FROM generate_series(1, 50) i;
ALTER TABLE shop.wide ALTER b SET STORAGE EXTERNAL;
UPDATE shop.wide SET b = b || 'x' WHERE a % 3 = 0;
SELECT lo_put(4242, 100000, '\xff');

-- What no dump carries: who owns what comes with a range type, comments on what is derived, and more
CREATE SCHEMA derived;
CREATE TYPE derived.spans AS RANGE (subtype = float8, multirange_type_name = derived.many_spans);
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA derived FROM PUBLIC;
ALTER FUNCTION derived.spans(float8, float8) OWNER TO __app__;
COMMENT ON FUNCTION derived.spans(float8, float8) IS 'a constructor';
COMMENT ON TYPE derived.many_spans IS 'a multirange';
CREATE TABLE derived.keyed (a integer PRIMARY KEY, "a numeric column with as many bytes as a name can have, 63 all" numeric);
INSERT INTO derived.keyed VALUES (1, 2), (2, 3);
COMMENT ON TYPE derived.keyed IS 'the type of its rows';
CREATE VIEW derived.viewed AS SELECT 1 AS one;
COMMENT ON TYPE derived.viewed IS 'the type of its rows';
COMMENT ON RULE "_RETURN" ON derived.viewed IS 'its query';
CREATE TABLE derived.parted (a integer, b integer REFERENCES derived.keyed, CONSTRAINT above CHECK (a > 0)) PARTITION BY LIST (a);
CREATE TABLE derived.part_1 PARTITION OF derived.parted FOR VALUES IN (1);
CREATE FUNCTION derived.fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER fires AFTER INSERT ON derived.parted FOR EACH ROW EXECUTE FUNCTION derived.fired();
COMMENT ON TRIGGER fires ON derived.part_1 IS 'of the parent';
COMMENT ON CONSTRAINT above ON derived.part_1 IS 'of the parent';
COMMENT ON CONSTRAINT parted_b_fkey ON derived.part_1 IS 'of the parent';
CREATE TABLE derived.parent (a integer, b integer);
CREATE TABLE derived.before () INHERITS (derived.parent);
ALTER TABLE ONLY derived.parent ALTER a SET NOT NULL;
ALTER TABLE derived.parent ADD CONSTRAINT unchecked CHECK (b IN (1, 2)) NOT VALID;
CREATE TABLE derived.made_later () INHERITS (derived.parent);
CREATE TABLE derived.replicated (a integer NOT NULL);
CREATE UNIQUE INDEX replicated_a ON derived.replicated (a);
ALTER TABLE derived.replicated REPLICA IDENTITY USING INDEX replicated_a;
DROP INDEX derived.replicated_a;
-- Dropping a parent's column drops its CHECK there, and leaves it with the child, where nothing dumps it.
CREATE TABLE derived.half_dropped (a integer, b text);
CREATE TABLE derived.left_over (b text, a integer);
ALTER TABLE derived.left_over INHERIT derived.half_dropped;
ALTER TABLE derived.half_dropped ADD CONSTRAINT of_a CHECK (a <> 5);
ALTER TABLE derived.half_dropped DROP COLUMN a;
CREATE TABLE derived.below_it () INHERITS (derived.left_over);
CREATE VIEW derived.options_first WITH (check_option = local, security_barrier) AS SELECT b FROM derived.half_dropped WHERE b <> '';
-- Indexes are attached at two levels before the key that needs the one on top.
CREATE TABLE derived.tree (a integer, b integer, PRIMARY KEY (a, b)) PARTITION BY RANGE (a);
CREATE TABLE derived.branch PARTITION OF derived.tree FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (b);
CREATE TABLE derived.leaf_1 PARTITION OF derived.branch FOR VALUES FROM (0) TO (10);
CREATE TABLE derived.leaf_2 PARTITION OF derived.branch DEFAULT;
CREATE TABLE derived.leaf_3 PARTITION OF derived.tree DEFAULT;
CREATE TABLE derived.of_tree (a integer, b integer, CONSTRAINT to_tree FOREIGN KEY (a, b) REFERENCES derived.tree);
COMMENT ON CONSTRAINT to_tree ON derived.of_tree IS 'to the top';
INSERT INTO derived.tree VALUES (1, 1), (1, 11), (11, 1);
INSERT INTO derived.of_tree VALUES (1, 11);
