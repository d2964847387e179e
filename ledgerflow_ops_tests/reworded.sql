-- What the server words otherwise once it has loaded what it printed, and must not be called a difference.
-- Sources: PostgreSQL's ruleutils.c, and what its own regression tests leave behind (rangefuncs.sql, matview.sql);
-- fmguerreiro/pgmold#81, SweetSophia/noosphere#297, pgadmin-org/pgadmin4#7335, greenplum-db/gpdb#5831,
-- pgplex/pgschema#445, dimitri/pgcopydb#507. Parts begin with the major version they need.

-- from 14
CREATE SCHEMA reworded;
-- A row type that got a column later: the alias list of a function has it after a load.
CREATE TABLE reworded.later (c integer);
CREATE FUNCTION reworded.rows() RETURNS SETOF reworded.later LANGUAGE plpgsql AS 'BEGIN RETURN; END';
CREATE VIEW reworded.over_rows WITH (check_option = local) AS
    SELECT c FROM reworded.later WHERE c IN (SELECT c FROM reworded.rows()) AND c > 3;
CREATE MATERIALIZED VIEW reworded.kept_rows AS SELECT c + 1 AS c FROM reworded.rows();
CREATE RULE copies AS ON DELETE TO reworded.later DO ALSO INSERT INTO reworded.later SELECT r.c FROM reworded.rows() r;
CREATE FUNCTION reworded.body(a integer DEFAULT -(1::integer)) RETURNS integer
    BEGIN ATOMIC SELECT max(c) + a FROM reworded.rows(); END;
CREATE POLICY seen ON reworded.later USING (c IN (SELECT c FROM reworded.rows()))
    WITH CHECK (c > -(1::integer) AND EXISTS (SELECT FROM reworded.rows() r WHERE r.c = 4));
ALTER TABLE reworded.later ADD COLUMN arr integer[];
-- An operator before a number is part of the number after a load: (- 1) is '-1'::integer then.
CREATE DOMAIN reworded.signed AS integer DEFAULT -(1::integer) CONSTRAINT above CHECK (VALUE > -(3::integer));
CREATE TABLE reworded.numbers (
    a integer DEFAULT -(1::integer), b integer CONSTRAINT over CHECK (b > -(2::integer)),
    c integer GENERATED ALWAYS AS (b * -(3::integer)) STORED, r int4range, t text,
    CONSTRAINT apart EXCLUDE USING gist (r WITH &&) WHERE (a > -(4::integer)),
    CONSTRAINT cased CHECK (CASE WHEN t = 'x' THEN a > -(5::integer) ELSE t <> '- 5' END));
CREATE INDEX by_number ON reworded.numbers ((b * -(1::integer)), (CASE WHEN b > -(6::integer) THEN t END));
CREATE STATISTICS reworded.of_numbers ON (a * -(3::integer)), b FROM reworded.numbers;
CREATE TRIGGER on_number AFTER UPDATE ON reworded.numbers FOR EACH ROW WHEN (new.a > -(1::integer))
    EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE reworded.parted (a integer CHECK (a > -(7::integer))) PARTITION BY RANGE ((a * -(1::integer)));
CREATE TABLE reworded.part PARTITION OF reworded.parted DEFAULT;
CREATE TRIGGER on_part AFTER UPDATE ON reworded.parted FOR EACH ROW WHEN (new.a > -(1::integer))
    EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE INDEX by_part ON reworded.parted ((a - (-(1::integer))));
CREATE TABLE reworded.heir (x integer) INHERITS (reworded.numbers);
CREATE VIEW reworded.double_minus AS SELECT -(-(1.0::numeric)) AS a, - 9223372036854775808::bigint AS b;
-- Bars, titles and comments that are none: in names and between quotes.
CREATE TABLE reworded."T | x; -- y" ("a|b" integer DEFAULT -(1::integer), "c AS d" text,
    CONSTRAINT "k | z" CHECK ("a|b" > -(1::integer) AND "c AS d" <> '|' || 'a AS b' || '(- 1)'));
CREATE POLICY "p | q" ON reworded."T | x; -- y" USING ("a|b" > -(1::integer) OR "c AS d" = '|')
    WITH CHECK ("c AS d" || '|' <> 'x' OR "a|b" > -(2::integer));
CREATE VIEW reworded.commented AS SELECT E'\n-- Name: q; Type: ACL; Schema: s; Owner: o\n\n' AS x, -(1::integer) AS y;
-- What is grouped by twice is once after a load.
CREATE VIEW reworded.grouped AS SELECT 'x' AS lit, count(*) FROM reworded.numbers GROUP BY 'x'::text, 1;
-- A domain's default is kept as text, too, with the search_path of its maker.
SET search_path = reworded;
CREATE FUNCTION given() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE DOMAIN defaulted AS integer DEFAULT given();
RESET search_path;
-- A query loses the length of a type on the way (15), or the type of a catalog's column changes.
CREATE MATERIALIZED VIEW reworded.lengthless AS SELECT CASE WHEN true THEN 'x'::varchar(3) ELSE NULL END AS c;

-- from 15
CREATE PUBLICATION reworded_numbers FOR TABLE reworded.numbers (a, b) WHERE (b > -(1::integer));

-- from 17
CREATE VIEW reworded.valued AS
    SELECT JSON_VALUE('{"a": 1}'::jsonb, '$.a' RETURNING integer DEFAULT -(1::integer) ON EMPTY) AS a;

-- from 18
CREATE TABLE reworded.virtual (a integer, b integer GENERATED ALWAYS AS (a * -(2::integer)));
