"""The life cycle of the embedded server."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import needs

_START = """
import sys
from pathlib import Path
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(server.start().parameters["port"], server.sample(Environment.DEV).label, flush=True)
"""


@pytest.fixture(scope="module")
def own(session_root: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this module, which its tests stop and start."""
    server = EmbeddedPostgres(session_root / "own")
    yield server
    server.stop()


def _postmasters(server: EmbeddedPostgres) -> list[psutil.Process]:
    """The postmasters whose working directory is the data directory of `server`; their children share it."""
    postmasters = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == server.cluster.data.resolve():
                postmasters.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in postmasters if process.ppid() not in {other.pid for other in postmasters}]


def _postmaster(server: EmbeddedPostgres) -> psutil.Process:
    postmaster = server.cluster.postmaster()
    assert postmaster is not None
    return postmaster


def test_processes_that_start_it_at_once_get_one_server(own: EmbeddedPostgres) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _START, str(own.state_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    outputs = {child.communicate()[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(outputs) == 1
    assert _postmasters(own) == [own.cluster.postmaster()]
    port, label = outputs.pop().split()
    assert label == f"127.0.0.1:{port}/ledgerflow_dev"


def test_a_restart_keeps_the_data_the_password_and_the_port(own: EmbeddedPostgres) -> None:
    before = own.start()
    with before.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.kept AS SELECT 42 AS answer")
    assert own.stop()
    after = own.start()
    assert after == before
    with after.connect() as connection:
        assert connection.execute("SELECT answer FROM public.kept").fetchall() == [(42,)]


def test_it_takes_another_port_where_its_own_is_taken(own: EmbeddedPostgres) -> None:
    port = int(own.start().parameters["port"])
    own.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        moved = own.start()
        assert int(moved.parameters["port"]) != port
        with moved.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert own.start() == moved


def test_it_listens_on_loopback_only(own: EmbeddedPostgres) -> None:
    port = int(own.start().parameters["port"])
    listening = [
        connection.laddr
        for connection in _postmaster(own).net_connections(kind="all")
        if connection.status == psutil.CONN_LISTEN
        or (connection.family == socket.AF_UNIX and connection.laddr)
    ]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", port)]


def test_it_does_not_run_as_root(own: EmbeddedPostgres) -> None:
    needs.root()
    own.start()
    uids = _postmaster(own).uids()
    assert 0 not in (uids.real, uids.effective, uids.saved)
    assert own.cluster.data.stat().st_uid == uids.real
    assert own.cluster.data.stat().st_mode & 0o077 == 0


def test_its_password_is_for_us_alone_and_needed(own: EmbeddedPostgres) -> None:
    database = own.start()
    assert (own.state_dir / "embedded.password").stat().st_mode & 0o777 == 0o600
    stranger = {name: value for name, value in database.parameters.items() if name != "password"}
    with (
        pytest.raises(Exception, match="no password supplied"),
        type(database)(stranger).connect(),
    ):
        pytest.fail("it was let in")


def test_stopping_it_twice_does_no_harm(own: EmbeddedPostgres) -> None:
    own.start()
    assert [own.running, own.stop(), own.running, own.stop()] == [True, True, False, False]
    assert _postmasters(own) == []


def test_one_that_was_never_started_is_stopped_without_being_made(root: Path) -> None:
    server = EmbeddedPostgres(root / "state")
    assert not server.running
    assert not server.stop()
    assert not server.cluster.made


def test_a_pid_file_that_names_another_process_is_not_taken_for_the_server(own: EmbeddedPostgres) -> None:
    own.start()
    own.stop()
    (own.cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{own.cluster.data}\n0\n1\n")
    try:
        assert not own.running
        assert not own.stop()
    finally:
        (own.cluster.data / "postmaster.pid").unlink()


def test_it_starts_again_after_it_was_killed(own: EmbeddedPostgres) -> None:
    before = own.start()
    postmaster = _postmaster(own)
    children = postmaster.children()
    postmaster.send_signal(signal.SIGKILL)
    psutil.wait_procs(children, timeout=10)
    with own.start().connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert own.start().parameters["port"] == before.parameters["port"]


def test_a_cluster_that_was_not_made_to_the_end_is_made_again(root: Path) -> None:
    server = EmbeddedPostgres(root / "state")
    server.cluster.data.mkdir(parents=True)
    (server.cluster.data / "PG_VERSION").write_text("17\n")
    try:
        with server.start().connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()


def test_a_sample_is_there_whole_or_not_at_all(own: EmbeddedPostgres) -> None:
    server = own.start()
    with server.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS ledgerflow_test WITH (FORCE)")
        connection.execute("CREATE DATABASE ledgerflow_test__unfinished")
    with server.named("ledgerflow_test__unfinished").connect() as connection:
        connection.execute("CREATE TABLE public.half ()")
    with own.sample(Environment.TEST).connect() as connection:
        tables = {name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'ledgerflow_test%'"
        )
        assert databases.fetchall() == [("ledgerflow_test",)]
        rows = connection.execute("SELECT count(*) FROM public.profiles_transaction").fetchone()
    assert "half" not in tables
    assert {"auth_user", "django_migrations", "profiles_transaction"} <= tables
    assert rows == (1666,)


def test_what_is_written_to_a_sample_stays(own: EmbeddedPostgres) -> None:
    with own.sample(Environment.PROD).connect() as connection:
        connection.execute("CREATE TABLE public.mine ()")
    with own.sample(Environment.PROD).connect() as connection:
        assert connection.execute("SELECT to_regclass('public.mine')::text").fetchone() == ("public.mine",)
