"""A grown ledger is larger, and otherwise as consistent as before."""

import psycopg

from ledgerflow_ops.sample import grow, install
from ledgerflow_ops_tests.sample.databases import (
    Connection,
    another_database,
    broken_rules,
    contents,
    value,
)

_MEGABYTE = 1_000_000

_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisready
    FROM pg_index ORDER BY 1
"""
_TRIGGERS = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2"
_LARGEST_SHARE = """
    SELECT max(pg_table_size(oid)) / sum(pg_table_size(oid))
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_STALE_SUMMARIES = """
    WITH fresh AS (
        SELECT profile_id, date_trunc('month', booked_on::timestamp)::date, count(*),
               sum(amount) FILTER (WHERE amount > 0), sum(amount) FILTER (WHERE amount < 0)
        FROM profiles_transaction GROUP BY 1, 2)
    SELECT count(*) FROM ((TABLE fresh EXCEPT TABLE profiles_monthlysummary)
                UNION ALL (TABLE profiles_monthlysummary EXCEPT TABLE fresh)) AS difference
"""
_SEQUENCES = """
    SELECT pg_get_serial_sequence(attrelid::regclass::text, attname), attname, attrelid::regclass::text
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p')
    WHERE attnum > 0 AND relnamespace = 'public'::regnamespace
      AND pg_get_serial_sequence(attrelid::regclass::text, attname) IS NOT NULL
"""


def _schema(connection: Connection) -> list[object]:
    """Return what the catalogs say of constraints, indexes and triggers."""
    return [connection.execute(query).fetchall() for query in (_CONSTRAINTS, _INDEXES, _TRIGGERS)]


def _validate_foreign_keys(connection: Connection) -> None:
    """Make the server check every foreign key, by adding it again."""
    keys = connection.execute("""
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
    """).fetchall()
    for table, name, definition in keys:
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}", ADD {definition}'.encode())
    connection.rollback()


def test_grown_ledger_is_sound(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        before = _schema(connection)
        connection.commit()
        size = grow(connection, 30 * _MEGABYTE)
        assert abs(size / (30 * _MEGABYTE) - 1) < 0.15
        assert _schema(connection) == before
        assert value(connection, _LARGEST_SHARE) < 0.6  # type: ignore[operator]
        assert value(connection, _STALE_SUMMARIES) == 0
        assert value(connection, "SHOW session_replication_role") == "origin"
        _validate_foreign_keys(connection)
        for sequence, column, table in connection.execute(_SEQUENCES).fetchall():
            query = f'SELECT nextval(%s) > (SELECT max("{column}") FROM {table})'
            assert value(connection, query, sequence) is True, sequence
        assert broken_rules(connection) == set()


def test_equal_targets_give_equal_contents_in_any_number_of_steps(empty_database: str) -> None:
    with another_database(empty_database) as other:
        with psycopg.connect(empty_database) as connection:
            install(connection)
            grow(connection, 5 * _MEGABYTE)
            grow(connection, 9 * _MEGABYTE)
        with psycopg.connect(other, autocommit=True) as connection:
            install(connection)
            grow(connection, 9 * _MEGABYTE)
            assert connection.autocommit
        assert contents(other) == contents(empty_database)


def test_progress_is_reported(empty_database: str) -> None:
    reports: list[tuple[int, int]] = []
    target = 25 * _MEGABYTE
    with psycopg.connect(empty_database) as connection:
        install(connection)
        grow(connection, target, lambda done, total: reports.append((done, total)))
    sizes = [done for done, _ in reports]
    assert len(sizes) > 1
    assert sizes == sorted(sizes)
    assert {total for _, total in reports} == {target}
    assert abs(sizes[-1] / target - 1) < 0.15


def test_large_enough_ledger_is_left_alone(empty_database: str) -> None:
    reports: list[int] = []
    with psycopg.connect(empty_database) as connection:
        install(connection)
        before = contents(empty_database)
        size = grow(connection, 1, lambda done, _: reports.append(done))
        assert size > 1
        assert reports == []
        assert contents(empty_database) == before
