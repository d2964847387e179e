"""A disk that is really full, and a folder that can really not be written to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import disks, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAfterBytes, ActionAtStep, Sandbox

_DENIED = r"Read-only file system|Permission denied"


@pytest.fixture(scope="module")
def sandbox(session_root: Path, books: Database) -> Iterator[Sandbox]:
    """Backups on a small disk, with a proven one on it."""
    with sandboxes.temporary_folder(session_root) as root, disks.small_disk(root / "backups", "60m"):
        sandbox = Sandbox(root, books)
        sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
        yield sandbox


@pytest.fixture(scope="module")
def narrow(session_root: Path, books: Database) -> Iterator[Sandbox]:
    """A ground whose drills have a small disk, with a proven backup."""
    with sandboxes.temporary_folder(session_root) as root, disks.small_disk(root / "state", "180m"):
        sandbox = Sandbox(root, books, {"drill_in_memory_below": 0})
        sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
        yield sandbox


def test_a_disk_too_small_from_the_start_is_refused_with_the_figures_before_anything_is_written(
    root: Path, books: Database
) -> None:
    with disks.small_disk(root / "backups", "8m"):
        sandbox, recorder = Sandbox(root, books), Recorder()
        with pytest.raises(LedgerError, match="Not enough space in") as refusal:
            sandboxes.take_backup(sandbox.env(recorder))
        assert refusal.value.exit_code == 1
        figures = r"about \d+\.\d MB needed \(database \d+\.\d MB\), 8\.\d MB free"
        assert re.search(figures, refusal.value.message)
        assert "Free space" in refusal.value.hint
        assert sandbox.files() == {}
        assert recorder.steps == [Step.PREFLIGHT]


@pytest.mark.parametrize("where", [Step.SEAL, Step.DUMP, "in mid-dump", Step.GLOBALS, Step.COMMIT])
def test_a_disk_that_fills_up_during_a_backup_keeps_nothing_of_it(sandbox: Sandbox, where: str) -> None:
    files, states = sandbox.files(), sandbox.states()

    def fill() -> None:
        disks.fill(sandbox.root / "backups")

    reporter = (
        ActionAfterBytes(size=1, action=fill)
        if where == "in mid-dump"
        else ActionAtStep(at=Step(where), action=fill)
    )
    with pytest.raises(LedgerError, match="No space left on device") as failure:
        sandboxes.take_backup(sandbox.env(reporter))
    assert reporter.fired
    assert failure.value.exit_code == 1
    assert str(failure.value.hint).startswith("The disk is full.")
    assert (sandbox.files(), sandbox.states()) == (files, states)

    (sandbox.root / "backups" / "filler").unlink()
    manifest = sandboxes.take_backup(sandbox.env())
    assert verify.verify(sandbox.env(), BackupName.of(manifest.dump.file)).rung is Rung.READABLE
    assert files.items() <= sandbox.files().items()


def test_a_proof_that_finds_no_room_is_reported_and_the_earlier_one_stays(sandbox: Sandbox) -> None:
    # The backup was taken when room had been made again.
    newest = sandbox.entries()[-1].manifest
    assert newest is not None
    proven = sandboxes.prove_backup(sandbox.env(), newest)
    files = sandbox.files()
    reporter = ActionAtStep(at=Step.PROOF, action=lambda: disks.fill(sandbox.root / "backups"))
    with pytest.raises(LedgerError, match="No space left on device") as failure:
        drill.drill(sandbox.env(reporter), proven)
    (sandbox.root / "backups" / "filler").unlink()
    assert failure.value.exit_code == 1, "neither done, nor a word against the backup"
    assert sandbox.files() == files
    assert sandbox.states()[proven.stem] == "valid"


def test_a_drill_without_room_says_nothing_of_the_backup(narrow: Sandbox) -> None:
    (name,) = (entry.name for entry in narrow.entries())
    files, filler = narrow.files(), disks.fill(narrow.root / "state")
    with pytest.raises(CannotJudge, match=r"Not enough space to restore into: about \d+\.\d MB") as trouble:
        drill.drill(narrow.env(), name)
    filler.unlink()
    assert trouble.value.exit_code == 5
    assert "says nothing about the backup" in trouble.value.hint
    assert narrow.files() == files, "the earlier proof stays"
    assert narrow.states() == {name.stem: "valid"}


@pytest.mark.parametrize("step", [Step.CLUSTER, Step.ROLES, Step.RESTORE])
def test_a_disk_that_fills_up_during_a_drill_is_the_drills_own_trouble(narrow: Sandbox, step: Step) -> None:
    (name,) = (entry.name for entry in narrow.entries())
    files, keys = narrow.files(), list[str]()

    def fill() -> None:
        keys.extend(narrow.drill_keys())
        disks.fill(narrow.root / "state")

    reporter = ActionAtStep(at=step, action=fill)
    with pytest.raises(CannotJudge, match=r"No space left on device|could not extend file") as trouble:
        drill.drill(narrow.env(reporter), name)
    (narrow.root / "state" / "filler").unlink()
    assert reporter.fired
    assert trouble.value.exit_code == 5
    assert narrow.files() == files
    assert narrow.states() == {name.stem: "valid"}
    assert narrow.traces(keys) == []


def test_a_folder_that_cannot_be_written_to_is_reported_and_left_alone(root: Path, books: Database) -> None:
    sandbox = Sandbox(root, books)
    name = sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
    files = sandbox.files()
    with disks.read_only(backup_folder_of(sandbox.env()).path):
        with pytest.raises(LedgerError, match="is read-only") as failure:
            sandboxes.take_backup(sandbox.env())
        assert failure.value.exit_code == 1
        assert "chmod u+w" in failure.value.hint
        assert verify.verify(sandbox.env(), name).rung is Rung.READABLE, "reading needs no writing"
        with pytest.raises(LedgerError, match=_DENIED):
            drill.drill(sandbox.env(), name)
        (finding,) = [check for check in doctor.examine(sandbox.env().ctx, [sandbox.env()]) if check.fatal]
        assert (finding.name, "is read-only" in finding.message) == ("dev folder", True)
    assert sandbox.files() == files
    sandboxes.take_backup(sandbox.env())


def test_a_folder_that_becomes_read_only_in_mid_backup_fails_it(root: Path, books: Database) -> None:
    sandbox = Sandbox(root, books)
    sandboxes.take_backup(sandbox.env())
    files, folder = sandbox.files(), backup_folder_of(sandbox.env()).path
    with disks.thawing(folder) as freeze:
        reporter = ActionAtStep(at=Step.SEAL, action=freeze)
        with pytest.raises(LedgerError, match=_DENIED):
            sandboxes.take_backup(sandbox.env(reporter))
    assert reporter.fired
    assert sandbox.files() == files


def test_a_state_folder_that_cannot_be_written_to_is_reported_by_every_operation(
    root: Path, books: Database
) -> None:
    sandbox = Sandbox(root, books)
    name = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)
    files = sandbox.files()
    with disks.read_only(root / "state"):
        with pytest.raises(LedgerError, match=_DENIED) as failure:
            sandboxes.take_backup(sandbox.env())
        assert failure.value.exit_code == 1
        with pytest.raises(CannotJudge, match="The drill could not be carried out"):
            drill.drill(sandbox.env(), name)
        finding, *_ = [check for check in doctor.examine(sandbox.env().ctx, []) if check.fatal]
        assert "Nothing can be written into" in finding.message
    assert sandbox.files() == files
