"""What is dropped, changed or renamed between a snapshot and the locks on its tables."""

from collections.abc import Iterator

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.inspection.schema_changes import find_changed_object
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Watcher
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.databases import run_statements, temporary_database

_OBJECTS = (
    "CREATE TABLE books (id int PRIMARY KEY, title text DEFAULT 'none' CHECK (title <> ''), pages int)",
    "CREATE TABLE other (id int PRIMARY KEY, title text, pages int)",
    "CREATE INDEX by_title ON books (title)",
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER guarded BEFORE DELETE ON books FOR EACH ROW EXECUTE FUNCTION refuse()",
    "CREATE POLICY own ON books USING (id > 0)",
    "CREATE VIEW titles AS SELECT title FROM books",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM books",
    "CREATE UNIQUE INDEX ON counted (count)",
    "CREATE SEQUENCE numbers",
)


@pytest.fixture(scope="module")
def server(embedded: EmbeddedPostgres) -> Database:
    return embedded.start()


@pytest.fixture
def books(server: Database) -> Iterator[Database]:
    """A database with an object of each kind that belongs to a table."""
    with temporary_database(server) as database:
        run_statements(database, *_OBJECTS)
        yield database


def _found_after(database: Database, *statements: str) -> str | None:
    """What is found when those statements are committed after the snapshot and before the locks."""

    def locks(connection: LimitedConnection) -> Watcher:
        run_statements(database, *statements)
        return NOBODY

    with source.snapshot(database, locks) as snapshot:
        return find_changed_object(snapshot.connection)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP INDEX by_title", "the index public.by_title"),
        ("ALTER INDEX by_title RENAME TO sorted", "the relation public.by_title"),
        ("ALTER TABLE books DROP CONSTRAINT books_title_check", "the constraint books_title_check"),
        ("ALTER TABLE books RENAME COLUMN title TO name", "the column public.books.title"),
        ("ALTER TABLE books DROP COLUMN pages", "the column public.books.pages"),
        ("ALTER TABLE books ALTER title DROP DEFAULT", "the column public.books.title"),
        ("DROP TRIGGER guarded ON books", "the trigger guarded"),
        ("ALTER TRIGGER guarded ON books RENAME TO kept", "the trigger guarded"),
        ("DROP POLICY own ON books", "the policy own"),
        ("DROP VIEW titles", "the view public.titles"),
        ("DROP MATERIALIZED VIEW counted", "the view public.counted"),
        ("ALTER MATERIALIZED VIEW counted RENAME TO sums", "the relation public.counted"),
        ("DROP SEQUENCE numbers", "the relation public.numbers"),
    ],
)
def test_what_was_dropped_or_changed_before_the_locks_is_found(
    books: Database, statement: str, expected: str
) -> None:
    assert _found_after(books, statement) == expected


def test_tables_that_changed_names_with_each_other_are_found(books: Database) -> None:
    swap = "ALTER TABLE books RENAME TO b; ALTER TABLE other RENAME TO books; ALTER TABLE b RENAME TO other"
    assert _found_after(books, f"BEGIN; {swap}; COMMIT") in (
        "the relation public.books",
        "the relation public.other",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO books VALUES (1)",
        "ANALYZE",
        "VACUUM",
        "REFRESH MATERIALIZED VIEW counted",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY counted",
        "REINDEX TABLE counted",
        "CREATE INDEX by_pages ON books (pages)",
        "CREATE TABLE later (id int PRIMARY KEY)",
        "BEGIN; DROP INDEX by_title; ROLLBACK",
        "CREATE TEMP TABLE mine (id int PRIMARY KEY CHECK (id > 0)); CREATE TEMP VIEW v AS SELECT 1",
    ],
)
def test_what_leaves_the_dump_as_it_is_does_not_count(books: Database, statement: str) -> None:
    assert _found_after(books, statement) is None


def test_temporary_objects_that_end_meanwhile_do_not_count(books: Database) -> None:
    with books.connect() as session:
        session.execute("CREATE TEMP TABLE mine (id int PRIMARY KEY CHECK (id > 0))")
        session.execute("CREATE TEMP VIEW seen AS SELECT id FROM mine")

        def locks(connection: LimitedConnection) -> Watcher:
            session.execute("DROP VIEW seen")
            session.execute("DROP TABLE mine")
            return NOBODY

        with source.snapshot(books, locks) as snapshot:
            assert find_changed_object(snapshot.connection) is None
