"""SIGKILL at every step of a rotation: nothing half-removed is called a backup, and the next one finishes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import ROTATION_STEPS, Step
from ledgerflow_ops.operations import catalog, removal_history
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of, history_folder_of
from ledgerflow_ops_tests.fakes import killing
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
EXPIRED = 3
WHERE = [*ROTATION_STEPS, *(f"{step}#2" for step in ROTATION_STEPS[1:-1]), f"{Step.SETTLE}#{EXPIRED}"]
"""At the first backup that goes, at the second, and after the last."""


@dataclass(frozen=True)
class Ground:
    """Eleven backups of dev, three of which are too old, with copies in an archive."""

    root: Path

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def env(self) -> EnvironmentContext:
        return builders.env(self.root, archive_roots=(self.archive,))

    @property
    def store(self) -> BackupFolder:
        return BackupFolder(self.root / "backups" / "dev")

    @property
    def copies(self) -> BackupFolder:
        return BackupFolder(self.archive / "dev")

    def fill(self) -> None:
        noon = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        states: list[FilesState] = []
        for days in range(10, -1, -1):
            made = self.store.add_backup(noon - timedelta(days=days), files=states[-2:])
            assert made.files
            states.append(made.files)
            self.copies.copy_from(self.store, made)
        for store in (self.store, self.copies):
            (store.path / "by_hand.dump").write_bytes(b"PGDMP")
            (store.path / "notes.txt").write_bytes(b"mine")

    def killed(self, where: str) -> None:
        roots = json.dumps([str(self.archive)])
        killing.kill_at("rotate", where, self.root, NOWHERE, LEDGER_ARCHIVE_ROOTS=roots)


@pytest.fixture
def sandbox(root: Path) -> Ground:
    made = Ground(root)
    made.fill()
    return made


@pytest.fixture(scope="module")
def unkilled(session_root: Path) -> tuple[set[str], set[str], set[str]]:
    """What a rotation leaves that nothing stops: in the folder, in the archive, in the history."""
    folder = session_root / "unkilled"
    folder.mkdir(exist_ok=True)
    made = Ground(folder)
    made.fill()
    done = rotate.carry_out_rotation(made.env, RotateRequest(carry_out=True, confirm="dev"))
    assert len(done.removed) == EXPIRED
    removal_history.mark_wiped(made.env, done.days)
    return made.store.names(), made.copies.names(), _history(made.env)


@pytest.mark.parametrize("where", WHERE)
def test_a_rotation_killed_at_any_step_is_finished_by_the_next(
    sandbox: Ground, unkilled: tuple[set[str], set[str], set[str]], where: str
) -> None:
    before = {entry.name.stem for entry in catalog.entries(sandbox.env) if entry.is_backup}
    kept = {name for name in unkilled[0] if name.endswith(".manifest.json")}
    sandbox.killed(where)

    now = catalog.entries(sandbox.env)
    assert not [entry.problem for entry in now if entry.problem], "something half-removed is called a backup"
    backups = {entry.name.stem for entry in now if entry.is_backup}
    assert {name.removesuffix(".manifest.json") for name in kept} <= backups <= before
    assert all(entry.proven for entry in now if entry.is_backup)
    assert {one.name.stem for one in removal_history.removed_backups(sandbox.env)} == before - backups
    assert {one.state for one in removal_history.removed_backups(sandbox.env)} <= {"valid"}
    assert audit.audit(sandbox.env).faults == (), "the killed rotation was called a theft"

    done = rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True, confirm="dev"))
    assert {one.name.stem for one in removal_history.removed_backups(sandbox.env)} == before - {
        name.removesuffix(".manifest.json") for name in kept
    }
    assert sandbox.store.names() == unkilled[0], "something was left, or taken that stays"
    assert sandbox.copies.names() == unkilled[1]
    assert len(done.days) == EXPIRED, "a day was lost on the way to being wiped"
    removal_history.mark_wiped(sandbox.env, done.days)
    assert _history(sandbox.env) == unkilled[2]
    assert audit.audit(sandbox.env).faults == ()
    assert rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True)).removed == ()


def _history(env: EnvironmentContext) -> set[str]:
    return {path.name for path in history_folder_of(env).path.iterdir()}


def test_a_removal_that_was_noted_and_never_begun_is_decided_anew(sandbox: Ground) -> None:
    """What was to go has been pinned meanwhile."""
    sandbox.killed(Step.RETIRE)
    oldest = min(sandbox.store.stems())
    pins.pin_on_request(sandbox.env, f"{oldest}.dump", "needed after all")
    done = rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True, confirm="dev"))
    assert oldest not in done.removed
    assert oldest in sandbox.store.stems()
    assert not [name for name in _history(sandbox.env) if name.startswith(f"{oldest}.going")]


def test_one_that_died_between_the_move_and_its_note_is_finished(sandbox: Ground) -> None:
    sandbox.killed(Step.RETIRE)
    oldest = min(sandbox.store.stems())
    there = history_folder_of(sandbox.env)
    backup_folder_of(sandbox.env).move(f"{oldest}.manifest.json", there, f"{oldest}.manifest.json")
    assert rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True, confirm="dev")).finished == (
        f"{oldest}.dump",
    )
    assert not [name for name in sandbox.store.names() | sandbox.copies.names() if oldest in name]


def test_what_icloud_has_taken_away_meanwhile_is_the_same_file(sandbox: Ground) -> None:
    sandbox.killed(Step.REMOVE)
    oldest = min(path.name for path in history_folder_of(sandbox.env).path.glob("*.going.json"))
    sandbox.store.evict(oldest.replace(".going.json", ".dump"))
    rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True, confirm="dev"))
    assert not [name for name in sandbox.store.names() if oldest.removesuffix(".going.json") in name]


def test_a_new_backup_under_the_name_of_a_half_removed_one_is_left_in_peace(sandbox: Ground) -> None:
    sandbox.killed(Step.REMOVE_REST)
    oldest = min(path.name for path in history_folder_of(sandbox.env).path.glob("*.going.json"))
    stem = oldest.removesuffix(".going.json")
    made = sandbox.store.add_backup(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=9000), stem=stem)
    names = {f"{stem}{ending}" for ending in (".dump", ".globals.sql", ".manifest.json", ".proof.json")}
    rotate.carry_out_rotation(sandbox.env, RotateRequest(carry_out=True, confirm="dev"))
    assert names <= sandbox.store.names()
    entry = catalog.entry(sandbox.env, catalog.find(sandbox.env, f"{stem}.dump"))
    assert entry.manifest == made
    assert entry.proven
