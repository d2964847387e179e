-- What follows from the rows, once they are all there.

-- The rows were written with keys of their own: every sequence goes on after the highest one in use.
DO $sequences$
DECLARE
    owned record;
    highest bigint;
BEGIN
    FOR owned IN
        SELECT sequence.oid::regclass AS name, dependency.refobjid::regclass AS owner, attribute.attname AS key
        FROM pg_class AS sequence
        JOIN pg_depend AS dependency
            ON dependency.classid = 'pg_class'::regclass AND dependency.objid = sequence.oid
            AND dependency.refclassid = 'pg_class'::regclass AND dependency.deptype IN ('a', 'i')
        JOIN pg_attribute AS attribute
            ON attribute.attrelid = dependency.refobjid AND attribute.attnum = dependency.refobjsubid
        WHERE sequence.relkind = 'S'
    LOOP
        EXECUTE format('SELECT max(%I) FROM %s', owned.key, owned.owner) INTO highest;
        IF highest IS NOT NULL THEN
            PERFORM setval(owned.name, highest);
        END IF;
    END LOOP;
END
$sequences$;

REFRESH MATERIALIZED VIEW profiles_monthlysummary;
