"""SIGKILL at every step of a restore, a rollback and a recovery: the live database is always whole."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.progress import RESTORE_STEPS, ROLLBACK_STEPS, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops_tests.fakes import targets
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import ReadyTarget, RestoreTarget

_RECOVERY_STEPS = (
    *(Step.PLAN, Step.VERIFY, Step.CLUSTER, Step.SAFETY),
    *(Step.RESTORE, Step.SWAP, Step.AFTERWARDS, Step.JOURNAL),
)
"""Those of the trial, and of the restore after it, which is the restore that is killed at its every step."""
_PAUSE = 0.1
"""Seconds between two queries of the application: connecting without a pause takes a core of its own."""
_SWAPPED = {Step.AFTERWARDS, Step.JOURNAL}
"""Killed when one of these is announced, the new database is live: the one step before it is the swap."""


@pytest.fixture(scope="module")
def ready(session_root: Path, server: Server) -> Iterator[ReadyTarget]:
    """A small database: that all of one comes back is in test_restore."""
    root, database = session_root / f"field_{secrets.token_hex(4)}", server.small_books(targets.new_name())
    with targets.ready_target(root, database, server) as ready:
        yield ready


@contextmanager
def watched(field: RestoreTarget) -> Iterator[list[str]]:
    """The answers to an application that queries 10 times a second: `old`, `new`, or why it was refused."""
    told: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(_PAUSE):
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


def is_first(field: RestoreTarget) -> bool:
    """Whether the live database equals first.dump's seal."""
    manifest = catalog.read_manifest(field.env(), BackupName.of("first.dump"))
    assert manifest is not None
    return facts_equal(manifest.seal, field.seal(), same_major=True) == []


@pytest.mark.parametrize("where", RESTORE_STEPS)
def test_a_restore_killed_at_any_step_leaves_one_whole_database_and_the_next_one_works(
    field: RestoreTarget, where: Step
) -> None:
    before = field.seal()
    with watched(field) as told:
        field.kill("restore", where)
    assert set(told) <= {"old", "new", *(one for one in told if "terminat" in one or "does not" in one)}
    if where in _SWAPPED:
        assert is_first(field)
        assert [one.mark.role for one in restore_leftovers.previous_databases(field.env())] == ["before"]
    else:
        assert field.seal() == before
        assert restore_leftovers.previous_databases(field.env()) == []
    restored = field.restore()
    assert restored.bad is None
    assert is_first(field)
    assert not [name for name in field.names() if "__restoring_" in name]


@pytest.mark.parametrize("where", ROLLBACK_STEPS)
def test_a_rollback_killed_at_any_step_is_done_or_not_begun(field: RestoreTarget, where: Step) -> None:
    before = field.seal()
    restored = field.restore()
    field.kill("rollback", where)
    done = where is Step.JOURNAL
    assert field.is_old() is done
    assert (field.seal() == before) is done
    kept = [one.name for one in restore_leftovers.previous_databases(field.env())]
    assert len(kept) == 1
    assert (kept == [restored.before]) is not done
    assert field.restore().bad is None


@pytest.mark.parametrize("where", _RECOVERY_STEPS)
def test_a_recovery_killed_at_any_step_leaves_one_whole_database_and_the_next_one_works(
    field: RestoreTarget, where: Step
) -> None:
    before = field.seal()
    field.kill("recover", where)
    # The newest backup is first.dump, or the safety backup of a recovery that was killed after it.
    if where in _SWAPPED:
        assert is_first(field)
    else:
        assert field.seal() == before
    restored = field.restore()
    assert restored.bad is None
    assert is_first(field)
