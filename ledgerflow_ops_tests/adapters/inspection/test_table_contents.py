"""A table's text is the same through a pipe and through the connection, and a pipe never blocks."""

import threading
from pathlib import Path

import psycopg
import pytest

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import table_contents
from ledgerflow_ops.adapters.inspection.table_contents import TablePipes, TableShape
from ledgerflow_ops.adapters.system.server_account import make_owned_folder, server_account
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops_tests.fakes import sandboxes


@pytest.fixture
def pipes(root: Path) -> TablePipes:
    folder = root / "pipes"
    make_owned_folder(server_account(), folder)
    return TablePipes(folder, server_account())


def named(connection: Connection, name: str) -> TableShape:
    return next(shape for shape in table_contents.table_shapes(connection) if shape.name.name == name)


def test_a_pipe_carries_what_the_connection_carries(books: Database, pipes: TablePipes) -> None:
    with books.connect() as connection:
        for statement in (
            "CREATE TABLE public.no_columns ()",
            "INSERT INTO public.no_columns SELECT FROM generate_series(1, 3)",
            'CREATE TABLE public.nothing_in_it (a int, "B c" text)',
            "CREATE TABLE public.large (t text)",
            r"INSERT INTO public.large SELECT repeat(E'\\\n\t', 100000) FROM generate_series(1, 20)",
        ):
            connection.execute(statement.encode())
        shapes = {shape.name.name: shape for shape in table_contents.table_shapes(connection)}
        assert {"no_columns", "nothing_in_it", "large", "profiles_transaction"} <= set(shapes)
        for shape in shapes.values():
            assert pipes.digest_table(connection, shape) == table_contents.digest_table(connection, shape)
        assert pipes.digest_table(connection, shapes["large"]).size == 20 * (100000 * 6 + 1)
        assert pipes.digest_table(connection, shapes["no_columns"]).rows == 3
        assert pipes.digest_table(connection, shapes["nothing_in_it"]).columns == '(a, "B c")'
    assert list(pipes.folder.iterdir()) == []


def test_one_changed_byte_is_another_digest(books: Database, pipes: TablePipes) -> None:
    with books.connect() as connection:
        connection.execute("CREATE TABLE public.one (t text)")
        connection.execute("INSERT INTO public.one VALUES ('a')")
        before = pipes.digest_table(connection, named(connection, "one"))
        connection.execute("UPDATE public.one SET t = 'b'")
        after = pipes.digest_table(connection, named(connection, "one"))
    assert (before.rows, before.size) == (after.rows, after.size)
    assert before.digest != after.digest


def test_a_table_that_is_gone_is_an_error_and_leaves_no_thread_and_no_pipe(
    books: Database, pipes: TablePipes
) -> None:
    threads = threading.active_count()
    with books.connect() as connection:
        connection.execute("CREATE TABLE public.soon_gone (t text)")
        shape = named(connection, "soon_gone")
        connection.execute("DROP TABLE public.soon_gone")
        with pytest.raises(psycopg.errors.UndefinedTable):
            pipes.digest_table(connection, shape)
    assert threading.active_count() == threads
    assert list(pipes.folder.iterdir()) == []


def test_a_server_that_ends_in_the_middle_ends_the_reading(books: Database, pipes: TablePipes) -> None:
    rows = "CREATE TABLE public.long AS SELECT repeat('x', 1000) t FROM generate_series(1, 300000)"

    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid = %s AND state = 'active' AND query LIKE 'COPY%%'"
    )

    def read() -> None:
        with books.connect() as connection:
            pid = connection.info.backend_pid
            threading.Thread(
                target=sandboxes.wait_until, args=[lambda: killer.execute(kill, [pid]).rowcount > 0]
            ).start()
            pipes.digest_table(connection, named(connection, "long"))

    with books.connect() as killer:
        killer.execute(rows.encode())
        with pytest.raises(LedgerError):
            read()
        killer.execute("DROP TABLE public.long")
    assert list(pipes.folder.iterdir()) == []
