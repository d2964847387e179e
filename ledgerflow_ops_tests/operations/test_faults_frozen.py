"""A server or a tool that is stopped in mid-work: the backup ends, says why, and keeps nothing."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters import clock, locks, tools
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import backup
from ledgerflow_ops_tests.databases import run
from ledgerflow_ops_tests.fakes import grounds, servers
from ledgerflow_ops_tests.fakes.grounds import After, At, Ground
from ledgerflow_ops_tests.fakes.servers import Server

_STALL = 4


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with grounds.folder(session_root) as root, servers.server(root, tools.bundled()) as started:
        yield started


@pytest.fixture(scope="module")
def books(server: Server) -> Database:
    """A database whose dump takes long enough to be stopped in the middle."""
    database = server.books("books")
    run(
        database,
        "CREATE TABLE large AS SELECT i, sha512(i::text::bytea) AS noise FROM generate_series(1, 200000) i",
    )
    return database


@pytest.fixture
def ground(root: Path, books: Database) -> Ground:
    fields = {"stall_seconds": _STALL, "lock_timeout_seconds": 3, "full_seal_below": 0}
    return Ground(root, books, fields)


@pytest.fixture
def frozen() -> Iterator[Callable[..., None]]:
    """Stops processes until the test has ended."""
    stopped: list[psutil.Process] = []

    def freeze(*which: psutil.Process) -> None:
        for one in which:
            stopped.append(one)
            one.suspend()

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


def _nothing_left(ground: Ground) -> None:
    assert ground.files() == {}, "something was kept"
    settings = ground.site().desk.settings
    with locks.exclusive(settings.state_dir, Environment.DEV, "look", clock.now()):
        pass
    assert not [one for name in ("pg_dump", "pg_restore") for one in _ours(name)]


def test_a_server_stopped_while_it_is_sealed_ends_the_backup(
    server: Server, books: Database, ground: Ground, frozen: Callable[..., None]
) -> None:
    reporter = At(at=Step.SEAL, action=lambda: frozen(*_backends(server, books)))
    with pytest.raises(LedgerError, match="is stopped") as told:
        backup.backup(ground.site(reporter))
    assert reporter.fired
    assert told.value.exit_code == 1
    assert "kill -CONT" in told.value.hint
    _nothing_left(ground)


def test_a_server_stopped_in_mid_dump_ends_the_backup(
    server: Server, books: Database, ground: Ground, frozen: Callable[..., None]
) -> None:
    reporter = After(size=100_000, action=lambda: frozen(*_backends(server, books)))
    with pytest.raises(LedgerError, match=r"Nothing has come from pg_dump .* is stopped") as told:
        backup.backup(ground.site(reporter))
    assert reporter.fired
    assert told.value.exit_code == 1
    _nothing_left(ground)


def test_a_whole_server_that_is_stopped_ends_the_backup(
    server: Server, books: Database, ground: Ground, frozen: Callable[..., None]
) -> None:
    postmaster = server.cluster.postmaster()
    assert postmaster
    reporter = After(size=100_000, action=lambda: frozen(postmaster, *postmaster.children(recursive=True)))
    with pytest.raises(LedgerError, match="does not answer a new connection either") as told:
        backup.backup(ground.site(reporter))
    assert told.value.exit_code == 1
    _nothing_left(ground)


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_a_tool_that_is_stopped_ends_the_backup(
    ground: Ground, frozen: Callable[..., None], program: str, server: Server, books: Database
) -> None:
    reporter = After(size=100_000, action=lambda: frozen(*_ours(program)))
    with pytest.raises(LedgerError, match=rf"{program} \(process \d+\) on this machine is stopped"):
        backup.backup(ground.site(reporter))
    assert reporter.fired
    _nothing_left(ground)
    assert grounds.until(lambda: _sessions(server, books) == []), "a session is left at the source"
