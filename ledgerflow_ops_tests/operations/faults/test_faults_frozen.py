"""A server or a tool that is stopped while it works: the backup ends, says why, and keeps nothing."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system import clock, locks
from ledgerflow_ops.adapters.system.interruptions import redeliver_lost_interruptions
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import ActionAfterBytes, ActionAtStep, Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_STALL = 4


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def books(server: Server) -> Database:
    """A database whose dump takes long enough to be stopped in the middle."""
    database = server.books("books")
    run_statements(
        database,
        "CREATE TABLE large AS SELECT i, sha512(i::text::bytea) AS noise FROM generate_series(1, 200000) i",
    )
    return database


@pytest.fixture
def sandbox(root: Path, books: Database) -> Sandbox:
    fields = {"stall_seconds": _STALL, "lock_timeout_seconds": 3, "full_seal_below": 0}
    return Sandbox(root, books, fields)


@pytest.fixture
def frozen() -> Iterator[Callable[..., None]]:
    """Stops processes until the test has ended."""
    stopped: list[psutil.Process] = []

    def freeze(*which: psutil.Process) -> None:
        for one in which:
            with contextlib.suppress(psutil.NoSuchProcess):  # a session may have ended since it was listed
                one.suspend()
                stopped.append(one)
        assert stopped, "the fault never fired"

    yield freeze
    for one in stopped:
        with contextlib.suppress(psutil.Error):
            one.resume()


def _backends(server: Server, database: Database) -> list[psutil.Process]:
    """The server's processes that work for sessions on the database."""
    postmaster = server.cluster.postmaster()
    assert postmaster
    name = database.parameters["dbname"]
    return [one for one in postmaster.children() if f" {name} " in " ".join(one.cmdline())]


def _ours(program: str) -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.name() == program]


def _sessions(server: Server, database: Database) -> list[str]:
    with server.database.connect() as connection:
        found = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = %s", [database.parameters["dbname"]]
        )
        return [query for (query,) in found]


def _nothing_left(sandbox: Sandbox) -> None:
    assert sandbox.files() == {}, "something was kept"
    settings = sandbox.env().ctx.settings
    with locks.environment_lock(settings.state_dir, Environment.DEV, "look", clock.now()):
        pass
    assert not [one for name in ("pg_dump", "pg_restore") for one in _ours(name)]


def test_a_server_stopped_while_it_is_sealed_ends_the_backup(
    server: Server, books: Database, sandbox: Sandbox, frozen: Callable[..., None]
) -> None:
    reporter = ActionAtStep(at=Step.SEAL, action=lambda: frozen(*_backends(server, books)))
    with pytest.raises(LedgerError, match="is stopped") as told:
        backup.backup(sandbox.env(reporter))
    assert reporter.fired
    assert told.value.exit_code == 1
    assert "kill -CONT" in told.value.hint
    _nothing_left(sandbox)


def test_a_server_stopped_in_mid_dump_ends_the_backup(
    server: Server, books: Database, sandbox: Sandbox, frozen: Callable[..., None]
) -> None:
    reporter = ActionAfterBytes(size=100_000, action=lambda: frozen(*_backends(server, books)))
    with pytest.raises(LedgerError, match=r"Nothing has come from pg_dump .* is stopped") as told:
        backup.backup(sandbox.env(reporter))
    assert reporter.fired
    assert told.value.exit_code == 1
    _nothing_left(sandbox)


def test_a_whole_server_that_is_stopped_ends_the_backup(
    server: Server, books: Database, sandbox: Sandbox, frozen: Callable[..., None]
) -> None:
    postmaster = server.cluster.postmaster()
    assert postmaster
    reporter = ActionAfterBytes(
        size=100_000, action=lambda: frozen(postmaster, *postmaster.children(recursive=True))
    )
    with pytest.raises(LedgerError, match="does not answer a new connection either") as told:
        backup.backup(sandbox.env(reporter))
    assert told.value.exit_code == 1
    _nothing_left(sandbox)


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_a_tool_that_is_stopped_ends_the_backup(
    sandbox: Sandbox, frozen: Callable[..., None], program: str, server: Server, books: Database
) -> None:
    reporter = ActionAfterBytes(size=100_000, action=lambda: frozen(*_ours(program)))
    with pytest.raises(LedgerError, match=rf"{program} \(process \d+\) on this machine is stopped"):
        backup.backup(sandbox.env(reporter))
    assert reporter.fired
    _nothing_left(sandbox)
    assert sandboxes.wait_until(lambda: _sessions(server, books) == []), "a session is left at the source"


class _Told(BaseException):
    """How Dagster terminates a run: an error that `except Exception` does not catch, and no Ctrl-C."""


@pytest.fixture
def told() -> Iterator[Callable[[signal.Signals], None]]:
    """Sends this process a signal a moment later: SIGINT as from a terminal, SIGTERM as Dagster hears it."""

    def tell(number: int, frame: object) -> None:
        raise _Told

    def send(number: signal.Signals) -> None:
        threading.Timer(1.5, os.kill, (os.getpid(), number)).start()

    before, hook = signal.signal(signal.SIGTERM, tell), sys.unraisablehook
    redeliver_lost_interruptions()
    yield send
    signal.signal(signal.SIGTERM, before)
    sys.unraisablehook = hook


@pytest.mark.parametrize(
    ("step", "number"),
    [
        (Step.SEAL, signal.SIGINT),
        (Step.SEAL, signal.SIGTERM),
        (Step.FINISH, signal.SIGTERM),
        (Step.GLOBALS, signal.SIGINT),
    ],
)
def test_who_is_interrupted_does_not_wait_for_a_server_that_hangs(
    server: Server,
    books: Database,
    sandbox: Sandbox,
    frozen: Callable[..., None],
    told: Callable[[signal.Signals], None],
    step: Step,
    number: signal.Signals,
) -> None:
    """The whole server is stopped, so it answers neither a cancel request nor a rollback."""
    postmaster = server.cluster.postmaster()
    assert postmaster

    def freeze() -> None:
        frozen(postmaster, *postmaster.children(recursive=True))
        told(number)

    reporter = ActionAtStep(at=step, action=freeze)
    with pytest.raises(KeyboardInterrupt if number is signal.SIGINT else _Told):
        backup.backup(sandbox.env(reporter, stall_seconds=3600))
    assert reporter.fired
    _nothing_left(sandbox)


def test_a_drill_whose_server_hangs_ends_when_interrupted_and_leaves_no_server(
    sandbox: Sandbox, frozen: Callable[..., None], told: Callable[[signal.Signals], None]
) -> None:
    name, keys = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file), list[str]()

    def freeze() -> None:
        keys.extend(sandbox.drill_keys())
        frozen(*(one for one in psutil.process_iter() if _works_in(one, keys)))
        told(signal.SIGTERM)

    reporter = ActionAtStep(at=Step.COMPARE, action=freeze)
    with pytest.raises(_Told):
        drill.drill(sandbox.env(reporter, stall_seconds=3600), name)
    assert keys, "the fault never fired"
    assert sandbox.traces(keys) == []


def test_a_drill_whose_server_hangs_could_not_be_carried_out(
    sandbox: Sandbox, frozen: Callable[..., None]
) -> None:
    name, keys = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file), list[str]()

    def freeze() -> None:
        keys.extend(sandbox.drill_keys())
        frozen(*(one for one in psutil.process_iter() if _works_in(one, keys)))

    with pytest.raises(CannotJudge) as found:
        drill.drill(sandbox.env(ActionAtStep(at=Step.RESTORE, action=freeze)), name)
    assert found.value.exit_code == 5
    assert sandbox.traces(keys) == []
    assert sandbox.states() == {name.stem: "written"}


def _works_in(process: psutil.Process, keys: list[str]) -> bool:
    try:
        return any(key in process.cwd() for key in keys)
    except psutil.Error:
        return False


class _Wire:
    """A way to a server that can go dead: it then carries nothing, and refuses nothing."""

    def __init__(self, port: int) -> None:
        self._port, self.dead = port, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, far = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if self.dead.is_set():
                    return
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def test_a_network_that_swallows_everything_ends_the_backup(
    root: Path, server: Server, books: Database, sandbox: Sandbox
) -> None:
    wire = _Wire(server.port)
    try:
        database = Database({**books.parameters, "port": str(wire.port)})
        reporter = ActionAtStep(at=Step.SEAL, action=wire.dead.set)
        with pytest.raises(LedgerError, match="does not answer a new connection either") as found:
            backup.backup(Sandbox(root, database, sandbox.fields).env(reporter))
    finally:
        wire.close()
    assert reporter.fired
    assert found.value.exit_code == 1
    _nothing_left(sandbox)


def test_a_backup_stays_on_the_server_that_answered_first(root: Path, server: Server) -> None:
    """Of two hosts the first is away at the preflight, and back when the snapshot is taken."""
    came: list[socket.socket] = []
    other = socket.socket()
    other.bind(("127.0.0.1", 0))

    def back() -> None:
        other.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    came.append(other.accept()[0])
                    came[-1].close()

        threading.Thread(target=accept, daemon=True).start()

    with server.database.connect() as connection:
        connection.execute("CREATE DATABASE small")
    ports = f"{other.getsockname()[1]},{server.port}"
    parameters = {**server.database.parameters, "dbname": "small", "host": "127.0.0.1,127.0.0.1"}
    reporter = ActionAtStep(at=Step.SNAPSHOT, action=back)
    backup.backup(Sandbox(root, Database({**parameters, "port": ports})).env(reporter))
    other.close()
    assert reporter.fired
    assert came == [], "a session or a tool of the backup went to the other host"
