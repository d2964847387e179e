"""The contents of the source under its snapshot, compared with the contents of the archive."""

import io
import random
from decimal import Decimal

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.manifest import Seal, TableFacts
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops_tests.databases import quoted_identifier, run_statements

BOOKS = "public.books"


def _streamed(database: Database, snapshot: source.Snapshot) -> archive.StreamedArchive:
    return archive.dump(
        Client(client_tools.bundled_tools(), database.variables()),
        snapshot.snapshot_id,
        "zstd:1",
        io.BytesIO(),
        lambda size: None,
    )


def _seal(database: Database, *, full: bool = False) -> Seal:
    with source.snapshot(database) as snapshot:
        return source.read_seal(snapshot.connection, full=full)


def test_what_is_committed_after_the_snapshot_is_neither_in_the_seal_nor_in_the_dump(
    database: Database,
) -> None:
    run_statements(database, "CREATE TABLE books (id int)", "INSERT INTO books VALUES (1), (2)")
    with source.snapshot(database) as snapshot:
        run_statements(
            database,
            "INSERT INTO books VALUES (1000)",
            "UPDATE books SET id = id + 1",
            "DELETE FROM profiles_transactionclassification",
            "DELETE FROM django_migrations",
        )
        seal = source.read_seal(snapshot.connection, full=True)
        streamed = _streamed(database, snapshot)
    assert seal.tables[BOOKS] == TableFacts(rows=2, sums={"id": "3"})
    assert seal.content is not None
    assert streamed.contents.tables[BOOKS].rows == 2
    for table, digest in seal.content.items():
        assert streamed.contents.tables[table].digest == digest, table
    after = _seal(database)
    assert after.tables[BOOKS] == TableFacts(rows=3, sums={"id": "1006"})
    assert after.tables["public.django_migrations"].rows == 0


@pytest.mark.parametrize("full", [False, True])
def test_how_much_has_been_read_is_reported_after_each_table(database: Database, full: bool) -> None:
    """In bytes of all tables, so that the rest of the time can be computed, also where one table is large."""
    reported = list[tuple[int, int]]()
    with source.snapshot(database) as snapshot:
        seal = source.read_contents(
            snapshot.connection, full=full, moved=lambda done, total: reported.append((done, total))
        ).seal
    assert len(reported) == len(seal.tables)
    assert reported == sorted(reported)
    assert reported[-1][0] == reported[-1][1] > 100_000
    assert {total for _, total in reported} == {reported[-1][1]}


def test_full_digests_and_counts_equal_those_of_the_archives_stream(database: Database) -> None:
    run_statements(
        database,
        """CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY, "a %s b" text, gone int,
               twice int GENERATED ALWAYS AS (length("a %s b") * 2) STORED, data bytea, day timestamptz,
               list text[], rest jsonb, span interval)""",
        "ALTER TABLE odd DROP COLUMN gone",
        r"""INSERT INTO odd ("a %s b", data, day, list, rest, span) VALUES
               (E'tab\t newline\n back\\slash \\. \\N', '\x00ff', '1999-12-31 23:59:59.999999+14',
                ARRAY['a,b', NULL, '"'], '{"a": 1e400}', '1 year -3 days 04:05:06.7'),
               (NULL, NULL, 'infinity', '{}', 'null', '0'), ('', '', '-infinity', NULL, '[]', NULL)""",
        "CREATE TABLE bare ()",
        "INSERT INTO bare DEFAULT VALUES",
        "CREATE TABLE empty (id int)",
        f"CREATE SCHEMA {quoted_identifier('Odd. schema')}",
        f"CREATE TABLE {quoted_identifier('Odd. schema')}.{quoted_identifier('t.able')} "
        "AS SELECT generate_series(1, 9) AS x",
        "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); "
        "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2), (3)",
    )
    with source.snapshot(database) as snapshot:
        seal = source.read_seal(snapshot.connection, full=True)
        contents = _streamed(database, snapshot).contents
    assert seal.depth == "full"
    assert {name: table.digest for name, table in contents.tables.items()} == seal.content
    counted = {name: table.rows for name, table in seal.tables.items()}
    assert counted == {name: table.rows for name, table in contents.tables.items()}
    assert (counted["public.odd"], counted["public.parent"], counted["public.child"]) == (3, 1, 2)
    assert seal.tables["public.empty"] == TableFacts(rows=0, sums={"id": None})


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (["1e16", "1", "-1e16"], "1"),
        (["0.1"] * 10, "1.0"),
        (["NaN", "1"], "NaN"),
        (["Infinity", "1"], "Infinity"),
        (["-Infinity", "1"], "-Infinity"),
        (["Infinity", "-Infinity"], "NaN"),
        (["1e300", "1", "-1e300"], "1"),
    ],
)
def test_sums_of_floats_are_exact_in_any_order(database: Database, values: list[str], total: str) -> None:
    shuffled = values.copy()
    random.Random(1).shuffle(shuffled)
    for name, order in (("forth", values), ("back", values[::-1]), ("mixed", shuffled)):
        rows = ", ".join(f"('{value}')" for value in order)
        run_statements(database, f"CREATE TABLE {name} (x float8)", f"INSERT INTO {name} VALUES {rows}")
    tables = _seal(database).tables
    sums = [tables[f"public.{name}"].sums["x"] for name in ("forth", "back", "mixed")]
    assert len(set(sums)) == 1
    assert sums[0] is not None
    if total in ("NaN", "Infinity", "-Infinity"):
        assert sums[0] == total
    else:
        assert Decimal(sums[0]) == Decimal(total)


def test_sums_of_numbers_are_exact_beyond_what_a_machine_holds(database: Database) -> None:
    run_statements(
        database,
        "CREATE DOMAIN cents AS numeric(40, 10)",
        "CREATE TABLE books (big int8, small int2, exact numeric, odd cents, cash money, real float4)",
        """INSERT INTO books SELECT 9223372036854775807, 32767, '123456789012345678901234567890.0123456789',
               '-0.0000000001', '$1.01', 0.1 FROM generate_series(1, 1000)""",
        "INSERT INTO books VALUES (NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    facts = _seal(database).tables[BOOKS]
    assert facts.rows == 1001
    sums = {name: Decimal(str(value)) for name, value in facts.sums.items()}
    assert sums == {
        "big": Decimal("9223372036854775807000"),
        "small": Decimal(32767000),
        "exact": Decimal("123456789012345678901234567890012.3456789"),
        "odd": Decimal("-0.0000001"),
        "cash": Decimal(1010),
        "real": Decimal(100),
    }


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numerics_that_are_no_numbers_are_summed(database: Database, value: str) -> None:
    run_statements(database, "CREATE TABLE books (x numeric)", f"INSERT INTO books VALUES (1), ('{value}')")
    assert _seal(database).tables[BOOKS] == TableFacts(rows=2, sums={"x": value})


def test_the_recovery_point_lies_before_all_that_the_snapshot_does_not_hold(database: Database) -> None:
    with database.connect() as connection:
        before = connection.execute("SELECT clock_timestamp(), pg_current_wal_lsn()::text").fetchone()
    with source.snapshot(database) as snapshot, database.connect() as connection:
        after = connection.execute(
            "SELECT clock_timestamp(), %s::pg_lsn <= pg_current_wal_lsn()", [snapshot.lsn]
        ).fetchone()
    assert before is not None
    assert after is not None
    assert before[0] < snapshot.recovery_point < after[0]
    assert after[1]


def test_a_snapshot_writes_nothing_and_ends_with_its_block(database: Database) -> None:
    with (
        source.snapshot(database) as snapshot,
        pytest.raises(Exception, match="read-only"),
    ):
        snapshot.connection.execute("CREATE TABLE public.x ()")
    with pytest.raises(LedgerError, match="pg_dump failed"):
        _streamed(database, snapshot)


def test_an_account_that_may_not_read_all_is_told_the_grant_it_needs(database: Database) -> None:
    run_statements(
        database,
        "CREATE ROLE shut_out LOGIN PASSWORD 'pw'",
    )
    try:
        poor = Database({**database.parameters, "user": "shut_out", "password": "pw"})
        with pytest.raises(LedgerError, match=r"permission denied|row-level security") as caught:
            _seal(poor)
        assert "pg_read_all_data" in caught.value.hint
    finally:
        run_statements(database, "DROP ROLE shut_out")
