"""Tables' text through a pipe is that through the connection, and a pipe never keeps anybody waiting."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import table_contents
from ledgerflow_ops.adapters.inspection.table_contents import Pipes, TableShape
from ledgerflow_ops.adapters.system.server_account import own, server_account
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.fakes import sandboxes


@pytest.fixture(scope="module")
def books(embedded: EmbeddedPostgres) -> Iterator[Database]:
    with sandboxes.sample_copy(embedded) as database:
        yield database


@pytest.fixture
def pipes(root: Path) -> Pipes:
    folder = root / "pipes"
    own(server_account(), folder)
    return Pipes(folder, server_account())


def named(connection: Connection, name: str) -> TableShape:
    return next(shape for shape in table_contents.shapes(connection) if shape.name.name == name)


def test_a_pipe_carries_what_the_connection_carries(books: Database, pipes: Pipes) -> None:
    with books.connect() as connection:
        for statement in (
            "CREATE TABLE public.no_columns ()",
            "INSERT INTO public.no_columns SELECT FROM generate_series(1, 3)",
            'CREATE TABLE public.nothing_in_it (a int, "B c" text)',
            "CREATE TABLE public.large (t text)",
            r"INSERT INTO public.large SELECT repeat(E'\\\n\t', 100000) FROM generate_series(1, 20)",
        ):
            connection.execute(statement.encode())
        found = {shape.name.name: shape for shape in table_contents.shapes(connection)}
        assert {"no_columns", "nothing_in_it", "large", "profiles_transaction"} <= set(found)
        for shape in found.values():
            assert pipes.content(connection, shape) == table_contents.content(connection, shape)
        assert pipes.content(connection, found["large"]).size == 20 * (100000 * 6 + 1)
        assert pipes.content(connection, found["no_columns"]).rows == 3
        assert pipes.content(connection, found["nothing_in_it"]).columns == '(a, "B c")'
    assert list(pipes.folder.iterdir()) == []


def test_one_changed_byte_is_another_digest(books: Database, pipes: Pipes) -> None:
    with books.connect() as connection:
        connection.execute("CREATE TABLE public.one (t text)")
        connection.execute("INSERT INTO public.one VALUES ('a')")
        before = pipes.content(connection, named(connection, "one"))
        connection.execute("UPDATE public.one SET t = 'b'")
        after = pipes.content(connection, named(connection, "one"))
    assert (before.rows, before.size) == (after.rows, after.size)
    assert before.digest != after.digest


def test_a_table_that_is_gone_is_an_error_and_leaves_no_thread_and_no_pipe(
    books: Database, pipes: Pipes
) -> None:
    threads = threading.active_count()
    with books.connect() as connection:
        connection.execute("CREATE TABLE public.soon_gone (t text)")
        shape = named(connection, "soon_gone")
        connection.execute("DROP TABLE public.soon_gone")
        with pytest.raises(psycopg.errors.UndefinedTable):
            pipes.content(connection, shape)
    assert threading.active_count() == threads
    assert list(pipes.folder.iterdir()) == []


def test_a_server_that_ends_in_the_middle_ends_the_reading(books: Database, pipes: Pipes) -> None:
    rows = "CREATE TABLE public.long AS SELECT repeat('x', 1000) t FROM generate_series(1, 300000)"

    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid = %s AND state = 'active' AND query LIKE 'COPY%%'"
    )

    def read() -> None:
        with books.connect() as connection:
            pid = connection.info.backend_pid
            threading.Thread(
                target=sandboxes.until, args=[lambda: killer.execute(kill, [pid]).rowcount > 0]
            ).start()
            pipes.content(connection, named(connection, "long"))

    with books.connect() as killer:
        killer.execute(rows.encode())
        with pytest.raises(LedgerError):
            read()
        killer.execute("DROP TABLE public.long")
    assert list(pipes.folder.iterdir()) == []
