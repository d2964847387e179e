"""A server that is stopped in the middle of a restore or a rollback: both end, and nothing is lost."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from ledgerflow_ops.commands import program
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import InUse, LedgerError, Pending
from ledgerflow_ops.core.operation_requests import RestoreRequest, RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops_tests.fakes import targets
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, temporary_folder, wait_until
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import RestoreTarget

_LIMITS = {"stall_seconds": 2, "lock_timeout_seconds": 2}


@pytest.fixture(scope="module")
def lasting(session_root: Path, server: Server) -> Iterator[RestoreTarget]:
    """One field for all that ends as it began."""
    with temporary_folder(session_root) as root, targets.restore_target(root, server) as found:
        yield found


class _Frozen:
    """The processes of a server that are stopped for a while."""

    def __init__(self, server: Server) -> None:
        self.server, self.stopped = server, list[psutil.Process]()

    def whole(self) -> None:
        """Stop all of the server."""
        postmaster = self.server.cluster.postmaster()
        assert postmaster
        self.stop(postmaster, *postmaster.children(recursive=True))

    def stop(self, *which: psutil.Process) -> None:
        for one in which:
            with contextlib.suppress(psutil.NoSuchProcess):  # a session may have ended since it was listed
                one.suspend()
                self.stopped.append(one)
        assert self.stopped, "the fault never fired"

    def go_on(self) -> None:
        for one in self.stopped:
            with contextlib.suppress(psutil.Error):
                one.resume()


@pytest.fixture
def frozen(server: Server) -> Iterator[_Frozen]:
    found = _Frozen(server)
    yield found
    found.go_on()


def _restored(field: RestoreTarget, reporter: ActionAtStep) -> LedgerError:
    """What a restore over the live database ends with, whose server is stopped on the way."""
    with pytest.raises(LedgerError) as told:
        restore.restore(
            field.env(reporter, **_LIMITS),
            RestoreRequest(environment=Environment.DEV, file="first.dump", force=True),
        )
    assert reporter.fired
    assert told.value.exit_code == 1
    return told.value


def test_a_restore_whose_server_stops_before_the_swap_ends_and_the_live_database_is_there(
    lasting: RestoreTarget, frozen: _Frozen
) -> None:
    before = lasting.seal()
    told = _restored(lasting, ActionAtStep(at=Step.SWAP, action=frozen.whole))
    assert "timeout expired" in told.message
    assert "stopped (SIGSTOP)" in told.hint
    frozen.go_on()
    assert lasting.seal() == before
    assert restore_leftovers.previous_databases(lasting.env()) == []
    restore_leftovers.sweep(lasting.env())
    assert lasting.names() == [lasting.name]


def test_a_restore_whose_terminal_closes_does_not_wait_for_a_server_that_hangs(
    lasting: RestoreTarget, frozen: _Frozen
) -> None:
    before, interrupted = lasting.seal(), signal.signal(signal.SIGHUP, program._interrupt)

    def freeze() -> None:
        frozen.whole()
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGHUP)).start()

    reporter = ActionAtStep(at=Step.ROLES, action=freeze)
    try:
        with pytest.raises(KeyboardInterrupt):
            restore.restore(
                lasting.env(reporter),
                RestoreRequest(environment=Environment.DEV, file="first.dump", force=True),
            )
    finally:
        signal.signal(signal.SIGHUP, interrupted)
    assert reporter.fired
    frozen.go_on()
    assert lasting.seal() == before
    assert lasting.names() == [lasting.name]


def test_a_half_restored_database_with_a_stopped_session_is_left_and_swept_later(
    lasting: RestoreTarget, frozen: _Frozen
) -> None:
    """The database can be neither renamed nor dropped while that session exists."""
    before, env, opened = lasting.seal(), lasting.env(**_LIMITS), list[psycopg.Connection[Any]]()

    def intrude() -> None:
        (half,) = [name for name in lasting.names() if "__restoring_" in name]
        parameters: dict[str, Any] = {**lasting.database.named(half).parameters}
        opened.append(psycopg.connect(**parameters))
        frozen.stop(psutil.Process(opened[0].info.backend_pid))

    told = _restored(lasting, ActionAtStep(at=Step.SWAP, action=intrude))
    assert isinstance(told, InUse)
    assert "being accessed by other users" in told.message
    assert "stopped (SIGSTOP)" in told.hint
    assert lasting.seal() == before
    (half,) = [name for name in lasting.names() if "__restoring_" in name]
    assert restore_leftovers.sweep(env) == [], "its session is stopped"
    frozen.go_on()
    opened[0].close()
    assert wait_until(lambda: restore_leftovers.sweep(env) == [half])
    assert lasting.names() == [lasting.name]


def _at_commit(frozen: _Frozen) -> None:
    """Have the next COMMIT wait for a standby that is not there, and stop its process there."""

    def stop() -> None:
        pid: list[int] = []
        with frozen.server.database.connect() as connection:
            connection.execute("SELECT set_config('synchronous_commit', 'local', false)")

            def waits() -> bool:
                found = connection.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
                pid.extend(one for (one,) in found)
                return bool(pid)

            assert wait_until(waits)
            frozen.stop(psutil.Process(pid[0]))

    _standby(frozen.server, "nobody")
    threading.Thread(target=stop, daemon=True).start()


def _standby(server: Server, name: str) -> None:
    with server.database.connect() as connection:
        connection.execute("SELECT set_config('synchronous_commit', 'local', false)")
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        connection.execute("SELECT pg_reload_conf()")
    with server.database.connect() as connection:
        assert wait_until(lambda: connection.execute("SHOW synchronous_standby_names").fetchone() == (name,))


@pytest.fixture
def paired(root: Path, server: Server) -> Iterator[RestoreTarget]:
    """A sandbox with files that belong to its backup, and that have changed since."""
    media = root / "media"
    media.mkdir()
    (media / "statement.pdf").write_bytes(b"of the backup")
    with targets.restore_target(root, server, files=[media]) as found:
        (media / "statement.pdf").write_bytes(b"of today")
        yield found
        _standby(server, "")


def test_a_swap_that_is_stopped_in_its_commit_is_open_and_files_follow_their_database(
    paired: RestoreTarget, frozen: _Frozen
) -> None:
    """Its outcome is unknown: nothing is reverted before the server says what it did."""
    file, env = paired.sandbox.root / "media" / "statement.pdf", paired.env(**_LIMITS)
    told = _restored(paired, ActionAtStep(at=Step.SWAP, action=lambda: _at_commit(frozen)))
    assert isinstance(told, Pending)
    assert "not known whether the swap took place" in told.message
    assert "make status" in told.hint
    assert file.read_bytes() == b"of today"
    with pytest.raises(Pending, match="has not ended at the server"):
        rollback.rollback(env, RollbackRequest(environment="dev", force=True))
    _standby(frozen.server, "")
    frozen.go_on()
    assert wait_until(lambda: len(restore_leftovers.previous_databases(env)) == 1), (
        "it was committed, and its end went unheard"
    )
    assert not paired.is_old()
    restore_leftovers.sweep(env)
    assert file.read_bytes() == b"of the backup"
    rollback.rollback(env, RollbackRequest(environment="dev", force=True))
    assert paired.is_old()
    assert file.read_bytes() == b"of today"
