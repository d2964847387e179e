"""What an archive becomes when it is loaded: exactly what was dumped, whatever fires on rows and DDL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import tools
from ledgerflow_ops_tests.fakes import roundtrips
from ledgerflow_ops_tests.fakes.roundtrips import Case
from ledgerflow_ops_tests.fakes.servers import Server

Make = Callable[..., Case]

AUDIT = """
CREATE TABLE audit (id serial, who text, what text);
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (who, what) VALUES (session_user, tg_tag); END $$;
CREATE TABLE t (a int PRIMARY KEY, b text);
INSERT INTO t SELECT g, 'x' || g FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;
CREATE EVENT TRIGGER e_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
COMMENT ON EVENT TRIGGER e_ddl IS 'what the audit hangs on';
CREATE EVENT TRIGGER e_off ON sql_drop EXECUTE FUNCTION on_ddl();
ALTER EVENT TRIGGER e_off DISABLE;
"""
LOGIN = """
CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (who, what) VALUES (session_user, 'login'); END $$;
CREATE EVENT TRIGGER e_login ON login EXECUTE FUNCTION on_login();
"""
GATE = """
CREATE TABLE allowed (who name PRIMARY KEY);
INSERT INTO allowed VALUES ('postgres');
CREATE FUNCTION gate() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM public.allowed WHERE who = session_user) THEN
        RAISE EXCEPTION 'not for you';
    END IF;
END $$;
CREATE EVENT TRIGGER gate ON login EXECUTE FUNCTION gate();
ALTER EVENT TRIGGER gate ENABLE ALWAYS;
"""
PARTITIONED = """
CREATE TABLE audit (id int);
CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (id) VALUES (new.id); RETURN new; END $$;
CREATE TABLE ev (id int, d int) PARTITION BY RANGE (d);
SELECT format('CREATE TABLE ev_%s PARTITION OF ev FOR VALUES FROM (%s) TO (%s)', g, g * 30, (g + 1) * 30)
    FROM generate_series(0, 19) g \\gexec
CREATE TRIGGER ev_log AFTER INSERT ON ev FOR EACH ROW EXECUTE FUNCTION log_it();
CREATE MATERIALIZED VIEW days AS SELECT d, count(*) FROM ev GROUP BY d;
CREATE FUNCTION many() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.ev';
CREATE MATERIALIZED VIEW through_a_function AS SELECT many();
INSERT INTO ev SELECT g, g % 600 FROM generate_series(1, 6000) g;
REFRESH MATERIALIZED VIEW days;
REFRESH MATERIALIZED VIEW through_a_function;
"""
PLACED_ANEW = """
CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'black', 'white', 'grey', 'pink');
CREATE TABLE p (c colour, n numeric, "Odd; name" text) PARTITION BY HASH (c);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE p1 ("Odd; name" text, n numeric, c colour);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY RANGE (n);
CREATE TABLE p2_low PARTITION OF p2 FOR VALUES FROM (MINVALUE) TO (300);
CREATE TABLE "p2; Type: TABLE DATA; Schema: x" PARTITION OF p2 FOR VALUES FROM (300) TO (MAXVALUE);
INSERT INTO p SELECT (enum_range(NULL::colour))[1 + g % 7], g / 4.0, E'tab\\t' || g || E'\\n'
    FROM generate_series(1, 2100) g;
CREATE TABLE beside (a int, b text) PARTITION BY HASH (a);
CREATE TABLE beside_0 PARTITION OF beside FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO beside SELECT g, 'x' FROM generate_series(1, 100) g;
"""


@pytest.fixture
def make(root: Path, server: Server) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(name: str, script: str, options: str = "") -> Case:
            return stack.enter_context(roundtrips.case(root, server, tools.bundled(), name, script, options))

        yield made


def test_event_triggers_fire_of_nothing_that_we_do(make: Make) -> None:
    case = make("audited", AUDIT + LOGIN)
    case.roundtrip("INSERT INTO t VALUES (101, 'later')")


def test_a_gate_lets_the_drill_in_and_stands_again_after_the_restore(make: Make) -> None:
    case = make("gated", GATE)
    case.roundtrip("INSERT INTO allowed VALUES ('somebody')")


def test_a_trigger_of_a_partitioned_table_does_not_fire_of_the_load(make: Make) -> None:
    case = make("partitioned", PARTITIONED)
    case.roundtrip("TRUNCATE audit")
    case.restored()
    assert case.ask("SELECT (SELECT count(*) FROM audit), (SELECT sum(count) FROM days)") == "6000|6000"
    assert case.ask("SELECT many FROM through_a_function") == "6000"


def test_rows_that_a_load_places_anew_are_the_same_rows(make: Make) -> None:
    case = make("placed_anew", PLACED_ANEW)
    before = case.ask("SELECT array_agg(n ORDER BY n) FROM p0")
    case.roundtrip("DELETE FROM p WHERE n = 7.25", ordered=False)
    case.restored()
    assert case.ask("SELECT array_agg(n ORDER BY n) FROM p0") != before, "nothing was placed anew"
    assert case.ask("SELECT count(*), count(DISTINCT n) FROM p") == "2100|2100"
