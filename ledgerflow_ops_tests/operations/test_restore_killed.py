"""SIGKILL at every step of a restore, a rollback and a recovery: the live database is always whole."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import tools
from ledgerflow_ops.core.compare import facts_equal
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.progress import RESTORE_STEPS, ROLLBACK_STEPS, Step
from ledgerflow_ops.operations import catalog, leftovers
from ledgerflow_ops.values import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import grounds, servers, targets
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import Field

_SWAPPED = {Step.AFTERWARDS, Step.JOURNAL}
"""Killed when one of these is announced, the new database is live: the one step before it is the swap."""


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with grounds.folder(session_root) as root, servers.server(root, tools.bundled()) as server:
        yield server


@pytest.fixture
def field(root: Path, server: Server) -> Iterator[Field]:
    with targets.field(root, server) as field:
        yield field


def kill(field: Field, what: str, where: str) -> None:
    """Run it until it dies there. A fault must fire."""
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "ledgerflow_ops_tests.fakes.killed",
            what,
            where,
            str(field.ground.root),
            builders.url(field.database),
        ],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, f"the fault at {where!r} never fired:\n{finished.stderr!r}"


@contextmanager
def watched(field: Field) -> Iterator[list[str]]:
    """What an application that asks all the time is told: `old`, `new`, or why it was refused."""
    told: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                told.append("old" if field.is_old() else "new")
            except LedgerError as error:
                told.append(error.message)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()


def is_first(field: Field) -> bool:
    """Whether the live database equals first.dump's seal."""
    manifest = catalog.read_manifest(field.site(), BackupName.of("first.dump"))
    assert manifest is not None
    return facts_equal(manifest.seal, field.seal(), same_major=True) == []


@pytest.mark.parametrize("where", RESTORE_STEPS)
def test_a_restore_killed_at_any_step_leaves_one_whole_database_and_the_next_one_works(
    field: Field, where: Step
) -> None:
    before = field.seal()
    with watched(field) as told:
        kill(field, "restore", where)
    assert set(told) <= {"old", "new", *(one for one in told if "terminat" in one or "does not" in one)}
    if where in _SWAPPED:
        assert is_first(field)
        assert [one.mark.role for one in leftovers.kept(field.site())] == ["before"]
    else:
        assert field.seal() == before
        assert leftovers.kept(field.site()) == []
    restored = field.restore()
    assert restored.bad is None
    assert is_first(field)
    assert not [name for name in field.names() if "__restoring_" in name]


@pytest.mark.parametrize("where", ROLLBACK_STEPS)
def test_a_rollback_killed_at_any_step_is_done_or_not_begun(field: Field, where: Step) -> None:
    before = field.seal()
    restored = field.restore()
    kill(field, "rollback", where)
    done = where is Step.JOURNAL
    assert field.is_old() is done
    assert (field.seal() == before) is done
    kept = [one.name for one in leftovers.kept(field.site())]
    assert len(kept) == 1
    assert (kept == [restored.before]) is not done
    assert field.restore().bad is None


@pytest.mark.parametrize("where", [Step.PLAN, Step.VERIFY, Step.CLUSTER, Step.SAFETY, *RESTORE_STEPS[3:]])
def test_a_recovery_killed_at_any_step_leaves_one_whole_database_and_the_next_one_works(
    field: Field, where: Step
) -> None:
    before = field.seal()
    kill(field, "recover", where)
    # The newest backup is first.dump, or the safety backup of a recovery that was killed after it.
    if where in _SWAPPED:
        assert is_first(field)
    else:
        assert field.seal() == before
    restored = field.restore()
    assert restored.bad is None
    assert is_first(field)
