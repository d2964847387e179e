"""The proxy to a server that only a program can reach: what it carries, and what it leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.services import container, socket_proxy
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import sandboxes

FOLDERS = "lf-relay-*"


def carrier(name: str, port: str) -> list[str]:
    """A program that carries a connection, as a container runs it."""
    if name == "bash":
        return [str(needs.program("bash")), "-c", container.script("carry.bash"), "bash", port]
    return [str(needs.program("perl")), "-e", container.script("carry.pl"), port]


@pytest.fixture(params=["bash", "perl"])
def command(request: pytest.FixtureRequest, database: Database) -> list[str]:
    return carrier(request.param, database.parameters["port"])


def through(way: socket_proxy.SocketProxy, database: Database) -> Database:
    return Database({**database.parameters, "host": str(way.folder), "port": socket_proxy.PORT})


def test_it_carries_much_both_ways_and_many_at_once(command: list[str], database: Database) -> None:
    before = set(psutil.Process().children(recursive=True))
    with socket_proxy.proxy(command) as way:
        assert way.folder.stat().st_mode & 0o777 == 0o700
        with through(way, database).connect() as first, through(way, database).connect() as second:
            first.execute("CREATE TABLE public.much (word text)")
            with first.cursor().copy("COPY public.much FROM STDIN") as rows:
                for _ in range(200):
                    rows.write("x" * 100_000 + "\n")
            with second.cursor().copy("COPY public.much TO STDOUT") as rows:
                assert sum(len(row) for row in rows) == 200 * 100_001
        assert way.failure() is None
    assert not way.folder.exists()
    assert set(psutil.Process().children(recursive=True)) <= before


def test_when_the_block_has_ended_the_servers_side_is_closed_too(
    command: list[str], database: Database
) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with socket_proxy.proxy(command) as way, through(way, database).connect() as connection:
        pid = connection.info.backend_pid
    with database.connect() as connection:
        row = connection.execute(query, [pid]).fetchone()
        assert row == (0,)


def test_a_session_that_the_server_ends_is_reported(command: list[str], database: Database) -> None:
    def ended() -> None:
        with through(way, database).connect() as connection, database.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            connection.execute("SELECT 1")

    with socket_proxy.proxy(command) as way:
        with pytest.raises(LedgerError, match=r"terminating connection|server closed the connection"):
            ended()
        assert way.failure() is None, "it carried what the server said, to the end"


@pytest.mark.parametrize("name", ["bash", "perl"])
def test_where_nobody_listens_the_programs_words_are_kept(name: str) -> None:
    port = str(free_port())
    with socket_proxy.proxy(carrier(name, port)) as way:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(way.folder), port=socket_proxy.PORT, user="x", dbname="x")
        failure = way.failure()
    assert failure is not None
    assert failure[0] == 97
    assert "refused" in failure[1]


def test_a_program_that_cannot_be_started_is_an_error() -> None:
    with socket_proxy.proxy(["/nonexistent/docker"]) as way:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(way.folder), port=socket_proxy.PORT, user="x", dbname="x")
        with pytest.raises(LedgerError, match="docker could not be started"):
            way.failure()


def test_one_that_does_not_end_by_itself_is_ended() -> None:
    before = set(psutil.Process().children(recursive=True))
    with socket_proxy.proxy(["sh", "-c", "sleep 600; true"], patience=0.1) as way:
        _knock(way.address)
        assert sandboxes.wait_until(lambda: bool(set(psutil.Process().children(recursive=True)) - before))
    assert set(psutil.Process().children(recursive=True)) <= before


def _knock(address: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))


_KILLED = """
import os, pathlib, signal, socket, sys, time
from ledgerflow_ops.adapters.services import socket_proxy
with socket_proxy.proxy(["sh", "-c", 'touch "$0.begun"; cat >/dev/null; touch "$0"', sys.argv[1]]) as way:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(way.address))
    while not pathlib.Path(sys.argv[1] + ".begun").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_when_we_are_killed_the_program_meets_its_end_and_the_next_one_tidies_up(root: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(root / "ended")]
    finished = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=60, check=False)
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    assert sandboxes.wait_until((root / "ended").exists)
    assert left_by_the_dead()
    with socket_proxy.proxy(["true"]):
        assert not left_by_the_dead()


def left_by_the_dead() -> list[Path]:
    def owner(folder: Path) -> int:
        return int(folder.name.split("-")[2])

    return [folder for folder in Path("/tmp").glob(FOLDERS) if not psutil.pid_exists(owner(folder))]


def test_ways_are_opened_and_closed_side_by_side(command: list[str], database: Database) -> None:
    results: list[object] = []

    def ask() -> None:
        with socket_proxy.proxy(command) as way, through(way, database).connect() as connection:
            results.append(connection.execute("SELECT 1").fetchone())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(1,)] * 8
    assert not list(Path("/tmp").glob(f"lf-relay-{os.getpid()}-*"))
