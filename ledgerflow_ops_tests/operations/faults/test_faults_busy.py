"""A database in which tables come and go, and one whose tables others have locked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.postgres.session_activity import statement_words
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

_STANDING = (
    "CREATE TABLE keep AS SELECT g AS a, md5(g::text) AS b FROM generate_series(1, 20000) AS g",
    "CREATE TABLE parted (day date, x int) PARTITION BY RANGE (day)",
    "CREATE TABLE emptied AS SELECT generate_series(1, 100) AS x",
    "CREATE MATERIALIZED VIEW fresh AS SELECT count(*) FROM keep",
    "CREATE UNIQUE INDEX ON fresh (count)",
    "CREATE TABLE altered (x int)",
)
_COMING = (
    ("CREATE TABLE s_{0} AS SELECT 1 AS a", "DROP TABLE s_{0}"),
    (
        "CREATE TABLE p_{0} PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        "INSERT INTO parted VALUES ('2026-01-05', 1)",
        "ALTER TABLE parted DETACH PARTITION p_{0}",
        "DROP TABLE p_{0}",
    ),
    ("CREATE INDEX i_{0} ON keep (b)", "DROP INDEX i_{0}"),
    (
        "CREATE TYPE t_{0} AS ENUM ('a')",
        "CREATE FUNCTION f_{0}(t_{0}) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION f_{0}",
        "DROP TYPE t_{0}",
    ),
    ("CREATE SCHEMA x_{0}", "CREATE VIEW x_{0}.v AS SELECT 1 AS a", "DROP SCHEMA x_{0} CASCADE"),
    ("CREATE SEQUENCE q_{0}", "DROP SEQUENCE q_{0}"),
    ("CREATE TEMP TABLE tmp_{0} AS SELECT 1", "DROP TABLE tmp_{0}"),
    ("BEGIN; TRUNCATE emptied; INSERT INTO emptied SELECT generate_series(1, 100); COMMIT",),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY fresh", "VACUUM FULL altered"),
    ("ALTER TABLE altered ADD COLUMN c_{0} int", "ALTER TABLE altered DROP COLUMN c_{0}"),
    ("SELECT lo_create({0} + 100000)", "SELECT lo_unlink({0} + 100000)"),
)
"""Rounds of statements that make something and drop it again, each in a session of its own."""


@pytest.fixture
def busy(database: Database) -> Iterator[Database]:
    """A database in which all of that happens, several times a second."""
    run_statements(database, *_STANDING)
    with _churning(database):
        yield database


@contextmanager
def _churning(database: Database) -> Iterator[None]:
    stop, troubles = threading.Event(), list[str]()
    workers = [
        threading.Thread(target=_churn, args=(database, statements, stop, troubles)) for statements in _COMING
    ]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not troubles, troubles


def _churn(
    database: Database, statements: tuple[str, ...], stop: threading.Event, troubles: list[str]
) -> None:
    try:
        with database.connect() as connection:
            connection.execute("SET search_path = public; SET application_name = 'app'")
            for number in count():
                for statement in statements:
                    with suppress(psycopg.errors.DeadlockDetected):
                        connection.execute(statement.format(number).encode())
                    stop.wait(0.7)
                if stop.is_set():
                    return
    except Exception as error:  # noqa: BLE001 - reported by the thread that waits for us
        troubles.append(f"{statements[0]}: {error}")


def test_a_database_in_which_tables_come_and_go_is_backed_up_each_time(root: Path, busy: Database) -> None:
    sandbox, said = Sandbox(root, busy), Recorder()
    for _ in range(8):
        sandboxes.take_backup(sandbox.env(said))
    for entry in sandbox.entries():
        assert entry.manifest
        sandboxes.prove_backup(sandbox.env(), entry.manifest)
    assert set(sandbox.states().values()) == {"valid"}
    assert len(sandbox.states()) == 8


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as database:
        yield Sandbox(root, database, {"lock_timeout_seconds": 3})


_HELD = "public.profiles_account"


@contextmanager
def _locked(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Somebody has locked a table, and is idle in his transaction."""
    with database.connect() as other:
        other.execute("SET application_name = 'nightly job'")
        other.execute(f"BEGIN; LOCK TABLE {_HELD}".encode())
        try:
            yield other
        finally:
            other.execute("ROLLBACK")


def test_who_holds_a_lock_for_too_long_is_named_with_the_way_to_end_it(sandbox: Sandbox) -> None:
    said, files = Recorder(), sandbox.files()
    with _locked(sandbox.database) as other:
        pid = other.info.backend_pid
        with pytest.raises(LedgerError) as told:
            backup.backup(sandbox.env(said))
    assert told.value.exit_code == 1
    for words in (_HELD, str(pid), "nightly job", "idle in transaction", "LOCK TABLE"):
        assert words in told.value.message
    assert f"SELECT pg_terminate_backend({pid});" in told.value.hint
    assert "lock_timeout_seconds" in told.value.hint
    assert any(f"waiting for a lock on {_HELD}" in line for line in said.said), "it waited in silence"
    assert sandbox.files() == files


def test_a_lock_that_is_given_up_in_time_is_waited_for(sandbox: Sandbox) -> None:
    said = Recorder()
    with _locked(sandbox.database) as other:
        giver = threading.Thread(
            target=lambda: (
                sandboxes.wait_until(lambda: any("waiting for a lock" in line for line in said.said)),
                other.execute("ROLLBACK"),
            )
        )
        giver.start()
        manifest = sandboxes.take_backup(sandbox.env(said, lock_timeout_seconds=60))
        giver.join()
    assert any("nightly job" in line for line in said.said)
    sandboxes.prove_backup(sandbox.env(), manifest)


def test_who_wants_a_table_while_a_backup_runs_neither_stops_it_nor_is_stopped_for_ever(
    sandbox: Sandbox,
) -> None:
    """The session waits for our locks; pg_dump has already got its own, so it never queues behind."""
    wants, done = f"ALTER TABLE {_HELD} ADD COLUMN more int", threading.Event()

    def want() -> None:
        with sandbox.database.connect() as other:
            other.execute("SET application_name = 'migration'")
            other.execute(wants.encode())
            done.set()

    wanting = threading.Thread(target=want)
    reporter = ActionAtStep(at=Step.SEAL, action=wanting.start)
    manifest = sandboxes.take_backup(sandbox.env(reporter))
    assert reporter.fired
    wanting.join()
    assert done.is_set()
    sandboxes.prove_backup(sandbox.env(), manifest)


def test_a_statement_is_reported_without_what_may_be_secret() -> None:
    query = (
        "ALTER ROLE bob PASSWORD 's3cr3t'; SELECT $tag$s3cr3t$tag$, E'it\\'s s3cr3t', 4111111111111111 FROM t"
    )
    told = statement_words(query)
    assert told.startswith("ALTER ROLE bob PASSWORD")
    for secret in ("s3cr3t", "4111"):
        assert secret not in told


@pytest.mark.parametrize("full", [False, True])
def test_a_value_too_big_to_be_written_is_named_with_its_table_and_column(
    sandbox: Sandbox, full: bool
) -> None:
    big = 'CREATE TABLE "Big ones" (id int, note text, body bytea)'
    run_statements(sandbox.database, big)
    with sandbox.database.connect() as connection:
        connection.execute("SET search_path = public")
        connection.execute('ALTER TABLE "Big ones" ALTER body SET STORAGE EXTENDED')
        connection.execute(
            "INSERT INTO \"Big ones\" VALUES (1, 'x', convert_to(repeat(' ', 600000000), 'UTF8'))"
        )
    files = sandbox.files()
    try:
        with pytest.raises(LedgerError) as told:
            backup.backup(sandbox.env(full_seal_below=10**12 if full else 0))
    finally:
        run_statements(sandbox.database, 'DROP TABLE "Big ones"')
    assert told.value.exit_code == 1
    assert 'public."Big ones" has a row that is too large to be written as text' in told.value.message
    assert "body (up to 600 MB)" in told.value.message
    assert "lo_from_bytea" in told.value.hint
    assert sandbox.files() == files
