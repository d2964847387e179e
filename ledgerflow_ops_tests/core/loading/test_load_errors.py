"""pg_restore's errors: trouble of this machine, or a source that no server can load."""

import pytest

from ledgerflow_ops.core.catalog.manifest import ObjectDigest, TableFacts
from ledgerflow_ops.core.loading.load_errors import diagnose, is_machine_error
from ledgerflow_ops_tests.core import records

DIED = "pg_restore: error: a worker process died unexpectedly\n"
NOTHING = ObjectDigest(structure="", definition="")
SEAL = records.seal(
    extensions={"hstore": "1.8"},
    tables={name: TableFacts(rows=1, sums={}) for name in ("public.t", 'shop."D"', "shop.look")},
    objects={
        f"routine {name}": NOTHING
        for name in (
            "shop.inner_f(t text)",
            "public.is_ok(t text)",
            "public.f(x integer)",
            "public.outer_f(t text)",
            "public.twice(b bytea)",
            "public.twice(u uuid)",
        )
    },
)


def copying(error: str) -> str:
    return f'pg_restore: error: COPY failed for table "t": ERROR:  {error}\n{DIED}'


def running(error: str, command: str) -> str:
    return f"pg_restore: error: could not execute query: ERROR:  {error}\nCommand was: {command};\n\n\n{DIED}"


UNQUALIFIED = """function inner_f(text) does not exist
LINE 1: inner_f(t)
        ^
HINT:  No function matches the given name and argument types. You might need to add explicit type casts.
QUERY:  inner_f(t)
CONTEXT:  PL/pgSQL function public.outer_f(text) line 1 at RETURN"""

CASES = {
    "function in a generated column": (
        copying(f'{UNQUALIFIED}\nCOPY t, line 1: "x"'),
        "the function public.outer_f(text) names the function inner_f(text)",
        "ALTER FUNCTION public.outer_f(text) SET search_path = shop, public, pg_temp;",
        False,
    ),
    "function in an index": (
        running(UNQUALIFIED, "CREATE INDEX i ON public.t USING btree (public.outer_f(a))"),
        "It fails in: CREATE INDEX i ON public.t",
        "ALTER FUNCTION public.outer_f(text) SET search_path = shop, public, pg_temp;",
        False,
    ),
    "SQL function": (
        copying(
            'relation "look" does not exist\nLINE 1:  select\n  ^\n'
            'CONTEXT:  SQL function "is_ok" during inlining\nCOPY t, line 1, column a: "x"'
        ),
        'the function public.is_ok(t text) names the relation "look"',
        "ALTER FUNCTION public.is_ok(t text) SET search_path = shop, public, pg_temp;",
        False,
    ),
    "type in a declaration": (
        copying(
            'type "My" does not exist\nLINE 1: declare\n'
            'CONTEXT:  compilation of PL/pgSQL function "f" near line 1\nCOPY t, line 1: "1"'
        ),
        'the function public.f(x integer) names the type "My"',
        "ALTER FUNCTION public.f(x integer) SET search_path = public, pg_temp;",
        False,
    ),
    "overloaded function": (
        running(
            'function twice(bytea) does not exist\nCONTEXT:  SQL function "twice" during inlining',
            "CREATE TABLE public.t ( s text GENERATED ALWAYS AS (public.twice(id)) STORED )",
        ),
        "the function twice names the function twice(bytea)",
        "ALTER FUNCTION public.twice(u uuid) SET search_path = public, pg_temp;",
        False,
    ),
    "function of an extension": (
        copying(
            "function h3(point, integer) does not exist\n"
            'CONTEXT:  SQL function "h3_lat_lng" during inlining\nCOPY t, line 1'
        ),
        "the function h3_lat_lng names the function h3(point, integer)",
        "An extension owns it: update that",
        False,
    ),
    "foreign key of an extension's table": (
        copying('insert or update on table "t" violates foreign key constraint "t_fkey"\nDETAIL:  …'),
        "rows of public.t violate its foreign key t_fkey",
        "conname = 't_fkey'",
        True,
    ),
    "foreign key": (
        running(
            'insert or update on table "D" violates foreign key constraint "D_x_y_fkey"\n'
            'DETAIL:  Key (x, y)=(2, 3) is not present in table "m".',
            'ALTER TABLE ONLY shop."D"\n'
            '    ADD CONSTRAINT "D_x_y_fkey" FOREIGN KEY (x, "Y") REFERENCES shop.m(id, k) ON DELETE CASCADE',
        ),
        'rows of shop."D" violate its foreign key "D_x_y_fkey"',
        'c."Y" IS NOT NULL AND NOT EXISTS (SELECT FROM shop.m p WHERE p.id = c.x AND p.k = c."Y");',
        False,
    ),
    "primary key": (
        running(
            'could not create unique index "t_pkey"\nDETAIL:  Key (a, lower(b))=(1, x) is duplicated.',
            "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a)",
        ),
        "rows of public.t violate its unique index t_pkey",
        "SELECT a, lower(b), count(*) FROM public.t GROUP BY a, lower(b) HAVING count(*) > 1;",
        False,
    ),
    "unique index": (
        running(
            'could not create unique index "u"\nDETAIL:  Key (a)=(1) is duplicated.',
            'CREATE UNIQUE INDEX u ON shop."D" USING btree (a)',
        ),
        'rows of shop."D" violate its unique index u',
        'REINDEX TABLE shop."D";',
        False,
    ),
    "exclusion": (
        running(
            'could not create exclusion constraint "ex"\n'
            "DETAIL:  Key (r)=([1,5)) conflicts with key (r)=([2,6)).",
            "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT ex EXCLUDE USING gist (r WITH &&)",
        ),
        "rows of public.t violate its exclusion constraint ex",
        "REINDEX TABLE public.t;",
        False,
    ),
    "check": (
        copying('new row for relation "t" violates check constraint "it\'s"\nDETAIL:  …'),
        'rows of public.t violate its check constraint "it\'s"',
        "conrelid = 'public.t'::regclass AND conname = 'it''s'",
        True,
    ),
    "domain": (
        copying('value for domain public.d violates check constraint "d_check"\nCONTEXT:  COPY t, line 1'),
        "violate the check constraint d_check of the domain public.d",
        "ALTER DOMAIN public.d DROP CONSTRAINT d_check;",
        True,
    ),
    "not null": (
        copying('null value in column "B" of relation "t" violates not-null constraint\nDETAIL:  …'),
        'rows of public.t hold no value in "B"',
        'ALTER TABLE public.t ALTER COLUMN "B" DROP NOT NULL;',
        False,
    ),
    "materialized view": (
        running("permission denied for table secret", "REFRESH MATERIALIZED VIEW shop.mv"),
        "the materialized view shop.mv cannot be filled: permission denied for table secret",
        "REFRESH MATERIALIZED VIEW shop.mv;",
        False,
    ),
    "what a function raises": (
        copying("not -1\nCONTEXT:  PL/pgSQL function public.ok(integer) line 1 at RAISE\nCOPY t, line 1"),
        "while public.t is loaded: not -1 (in the function public.ok(integer))",
        "Correct in the source",
        True,
    ),
    "taken out of an extension": (
        running(
            'function "akeys" already exists with same argument types',
            "CREATE FUNCTION public.akeys(public.hstore) RETURNS text[]\n    LANGUAGE c AS '$libdir/hstore'",
        ),
        "FUNCTION public.akeys(public.hstore) is created by an extension and by the dump",
        "ALTER EXTENSION hstore ADD FUNCTION public.akeys(public.hstore);",
        False,
    ),
    "run by psql": (
        "ERROR:  type public.gone does not exist\nLINE 1: CREATE\n",
        "the server refuses it: type public.gone does not exist",
        "Correct in the source",
        False,
    ),
}


@pytest.mark.parametrize(("errors", "sentence", "fix", "by_order"), CASES.values(), ids=CASES)
def test_the_object_is_named_with_the_sql_that_finds_or_fixes_it(
    errors: str, sentence: str, fix: str, by_order: bool
) -> None:
    found = diagnose(errors, SEAL)
    assert found is not None
    assert sentence in found.sentence
    assert fix in found.fix
    assert found.by_order is by_order
    assert not is_machine_error(errors)


@pytest.mark.parametrize(
    "errors",
    [
        running('extension "postgis" is not available', "CREATE EXTENSION postgis"),
        running("pg_cron can only be loaded via shared_preload_libraries", "CREATE EXTENSION pg_cron"),
        running("could not extend file: No space left on device", "CREATE INDEX i ON public.t (a)"),
        running("deadlock detected\nDETAIL:  …", "ALTER TABLE ONLY public.t ADD CONSTRAINT c CHECK (true)"),
        copying('new row for relation "p0" violates partition constraint'),
        running('could not load library "/l/x.so": undefined symbol: f', "CREATE FUNCTION public.f() …"),
        running('could not find function "f" in file "/l/x.so"', "CREATE FUNCTION public.f() …"),
        running('incompatible library "/l/x.so": version mismatch', "CREATE FUNCTION public.f() …"),
        running('security label provider "anon" is not loaded', "SECURITY LABEL FOR anon ON TABLE public.t"),
        running('could not open stop-word file "/s/d.stop": No such file', "CREATE TEXT SEARCH DICTIONARY d"),
        running('could not open dictionary file "/d.dict": No such file', "CREATE TEXT SEARCH DICTIONARY d"),
        running('time zone "Europe/Kyiv" not recognized', "CREATE VIEW public.v AS …"),
        running("compression method lz4 not supported", "ALTER TABLE ONLY public.t ALTER COLUMN a SET …"),
        copying("unsupported XML feature"),
        running('invalid value for parameter "lc_monetary": "de_DE"', "CREATE FUNCTION public.f() …"),
        running('unrecognized configuration parameter "of_a_fork"', "CREATE PROCEDURE public.f() …"),
        'pg_restore: error: COPY failed for table "t": server closed the connection unexpectedly\n',
        "pg_restore: error: unsupported version (1.17) in file header\n",
        running('could not read blocks 7..7 in file "base/5/16400": Input/output error', "CREATE INDEX i"),
        running("could not map anonymous shared memory: Cannot allocate memory", "CREATE INDEX i"),
        copying('could not open file "base/5/16400": Too many open files in system'),
        copying('could not fsync file "base/5/16400": Read-only file system'),
        copying('could not open file "base/5/16400": Disk quota exceeded'),
        "pg_restore: error: could not create worker process: Cannot allocate memory\n",
        "pg_restore: error: could not read from input file: Input/output error\n",
    ],
)
def test_trouble_of_this_machine_says_nothing_of_the_source(errors: str) -> None:
    assert is_machine_error(errors)
    assert diagnose(errors, SEAL) is None


@pytest.mark.parametrize("errors", ["", "pg_restore: error: could not read from input file: end of file\n"])
def test_without_a_word_of_the_server_nothing_is_known(errors: str) -> None:
    assert diagnose(errors, SEAL) is None
    assert not is_machine_error(errors)


def test_a_setting_that_a_function_asks_for_is_the_sources_own() -> None:
    said = 'unrecognized configuration parameter "app.tenant"\nCONTEXT:  SQL function "f" during inlining'
    for errors in (copying(said), running(said, "CREATE INDEX i ON public.t USING btree (public.f(a))")):
        assert not is_machine_error(errors)
        assert diagnose(errors, SEAL) is not None


def test_a_value_of_a_row_is_no_trouble_of_this_machine() -> None:
    errors = copying('new row for relation "t" violates check constraint "c"\nDETAIL:  (out of memory).')
    assert not is_machine_error(errors)
    assert not is_machine_error(copying('invalid input value for enum e: "Input/output error"'))
