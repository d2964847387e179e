"""Restoring files: the ones of the backup or those that were there, whole, whatever happens in between."""

import os
import shutil
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.files import file_scanner
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.progress import FILES_STEPS, Step
from ledgerflow_ops.core.restore.file_swap import SwapPhase
from ledgerflow_ops.operations.files import files_pairing, files_plan, files_restore
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import disks, killing, sandboxes
from ledgerflow_ops_tests.fakes.killed import RESTORE, put_in_place, take_back
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

Tree = dict[str, tuple[str, int, str, bytes]]


@pytest.fixture
def media(root: Path) -> Path:
    folder = root / "books" / "ledger media"
    (folder / "2026" / "empty").mkdir(parents=True)
    (folder / "2026" / "statement.pdf").write_bytes(b"page" * 7500)
    (folder / "notes.txt").write_text("paid\n")
    (folder / "notes.txt").chmod(0o640)
    (folder / "link").symlink_to("notes.txt")
    (folder / "2026").chmod(0o550)
    return folder


@pytest.fixture
def sandbox(root: Path, books: Database, media: Path) -> Sandbox:
    settings = media.with_name("settings.env")
    settings.write_text("DEBUG=no\n")
    return Sandbox(root, books, {"files": [media, settings]})


@pytest.fixture
def manifest(sandbox: Sandbox) -> Manifest:
    return sandboxes.take_backup(sandbox.env())


def _tree(sandbox: Sandbox) -> Tree:
    """All that is in the listed places now, with what a restore has to bring back of it."""
    roots = [str(path) for path in sandbox.fields["files"] if path.exists()]
    return {
        found.place: (
            found.kind,
            found.mode if found.kind != "link" else 0,
            found.target,
            Path(found.root, found.path).read_bytes() if found.kind == "file" else b"",
        )
        for found in file_scanner.scan_roots(roots).entries
    }


def _harm(sandbox: Sandbox) -> Tree:
    """The files as they became after the backup; what is there then."""
    media, settings = sandbox.fields["files"]
    (media / "notes.txt").unlink()
    (media / "later.txt").write_text("later\n")
    settings.write_text("DEBUG=yes\n")
    return _tree(sandbox)


def _beside(sandbox: Sandbox) -> list[str]:
    """The folders that restores have left beside the roots."""
    return sorted(path.name for path in (sandbox.root / "books").iterdir() if "__" in path.name)


def test_the_files_come_back_and_those_that_were_there_are_kept(sandbox: Sandbox, manifest: Manifest) -> None:
    wanted, harmed = _tree(sandbox), _harm(sandbox)
    recorder = Recorder()
    swap = put_in_place(sandbox.env(recorder), manifest, "a1", NOON)
    assert swap.phase is SwapPhase.SWAPPED
    assert _tree(sandbox) == wanted != harmed
    assert list(dict.fromkeys(recorder.steps)) == list(FILES_STEPS)
    assert _beside(sandbox) == ["ledger media__before_a1", "settings.env__before_a1"]
    assert (sandbox.root / "books" / "settings.env__before_a1").read_text() == "DEBUG=yes\n"
    assert files_pairing.settle_interrupted(sandbox.env(), set(), set()) == []
    notes = (sandbox.fields["files"][0] / "notes.txt").stat()
    assert notes.st_mtime_ns == next(
        entry.mtime_ns for entry in _files(manifest).entries if entry.path == "notes.txt"
    )


def _files(manifest: Manifest) -> FilesState:
    assert manifest.files is not None
    return manifest.files


def test_a_restore_is_taken_back_and_what_it_had_put_there_is_kept(
    sandbox: Sandbox, manifest: Manifest
) -> None:
    harmed = _harm(sandbox)
    put_in_place(sandbox.env(), manifest, "a1", NOON)
    assert take_back(sandbox.env(), "a1").phase is SwapPhase.TAKEN_BACK
    assert _tree(sandbox) == harmed
    assert _beside(sandbox) == ["ledger media__undone_a1", "settings.env__undone_a1"]
    assert files_restore.find_swapped(sandbox.env(), "a1") is None
    files_restore.remove_previous_files(sandbox.env(), "a1")
    assert _beside(sandbox) == []
    assert files_restore.find_taken_back(sandbox.env(), "a1") is None
    with pytest.raises(LedgerError, match="There is no restore"):
        files_restore.remove_previous_files(sandbox.env(), "a1")


def test_files_that_are_gone_altogether_come_back(sandbox: Sandbox, manifest: Manifest) -> None:
    wanted = _tree(sandbox)
    shutil.rmtree(sandbox.root / "books")
    put_in_place(sandbox.env(), manifest, "a1", NOON)
    assert _tree(sandbox) == wanted
    assert _beside(sandbox) == []
    take_back(sandbox.env(), "a1")
    assert _tree(sandbox) == {}
    assert _beside(sandbox) == ["ledger media__undone_a1", "settings.env__undone_a1"]


def test_files_that_earlier_archives_hold_come_back(
    sandbox: Sandbox, manifest: Manifest, media: Path
) -> None:
    (media / "new.txt").write_text("new\n")
    second = sandboxes.take_backup(sandbox.env())
    assert _files(second).needs == (_files(manifest).archive,)
    wanted, _ = _tree(sandbox), _harm(sandbox)
    put_in_place(sandbox.env(), second, "a1", NOON)
    assert _tree(sandbox) == wanted


def test_a_plan_says_what_would_be_done_and_touches_nothing(sandbox: Sandbox, manifest: Manifest) -> None:
    harmed = _harm(sandbox)
    planned = files_plan.plan_files(sandbox.env(), manifest, "a1", NOON)
    assert (planned.obstacles, planned.lacking) == ((), ())
    assert [place.existed for place in planned.swap.places] == [True, True]
    (room,) = planned.room
    assert room.needed == 30_000 + 5 + 9 + 4096 * 7
    assert (room.free or 0) > room.needed
    assert (_tree(sandbox), _beside(sandbox)) == (harmed, [])


def test_a_damaged_archive_is_refused_before_anything_is_touched(
    sandbox: Sandbox, manifest: Manifest
) -> None:
    harmed = _harm(sandbox)
    path = backup_folder_of(sandbox.env()).file(BackupName.of(manifest.dump.file).files)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadBackup, match="SHA-256 differs"):
        put_in_place(sandbox.env(), manifest, "a1", NOON)
    assert (_tree(sandbox), _beside(sandbox)) == (harmed, [])


def test_a_backup_without_files_has_none_to_restore(root: Path, books: Database) -> None:
    sandbox = Sandbox(root, books)
    with pytest.raises(Refused, match="No files belong to"):
        put_in_place(sandbox.env(), sandboxes.take_backup(sandbox.env()), "a1", NOON)


def test_what_stands_in_the_way_is_said_before_anything_is_touched(
    sandbox: Sandbox, manifest: Manifest, media: Path
) -> None:
    (media.with_name("settings.env__before_a1")).touch()
    media.rename(media.with_name("real"))
    media.symlink_to("real")
    with pytest.raises(Refused) as caught:
        put_in_place(sandbox.env(), manifest, "a1", NOON)
    assert "ledger media: it is a symbolic link" in caught.value.message
    assert "settings.env: a restore called a1 has left something beside it" in caught.value.message


def test_a_disk_that_is_too_small_is_reported_with_the_figures(root: Path, books: Database) -> None:
    with disks.small_disk(root / "small", "1m") as small:
        media = small / "media"
        media.mkdir()
        (media / "large").write_bytes(os.urandom(600_000))
        sandbox = Sandbox(root, books, {"files": [media]})
        manifest = sandboxes.take_backup(sandbox.env())
        with pytest.raises(Refused, match=r"Not enough space .* 608\.\d KB needed"):
            put_in_place(sandbox.env(), manifest, "a1", NOON)
        assert [path.name for path in small.iterdir()] == ["media"]


@pytest.mark.parametrize("step", [Step.LAY_OUT, Step.HOLD])
def test_laying_out_that_is_interrupted_removes_what_it_had_unpacked(
    sandbox: Sandbox, manifest: Manifest, step: Step
) -> None:
    harmed = _harm(sandbox)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files_restore.stage_files(sandbox.env(ActionAtStep(at=step, action=interrupt)), manifest, "a1", NOON)
    assert (_tree(sandbox), _beside(sandbox)) == (harmed, [])
    assert files_restore.unfinished_swaps(sandbox.env()) == []
    put_in_place(sandbox.env(), manifest, "a1", NOON)


def _kill(sandbox: Sandbox, what: str, where: str) -> None:
    listed = [str(path) for path in sandbox.fields["files"]]
    killing.kill_at(what, where, sandbox.root, builders.database_url(sandbox.database), *listed)


# The bytes are of the unpacked files: the archive, which is read before, packs to a few hundred.
EACH = [*FILES_STEPS, "20000 bytes", "set aside#2", "put in place#2"]


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize("where", EACH)
def test_a_restore_killed_at_any_step_is_finished_or_undone(
    sandbox: Sandbox, manifest: Manifest, where: str, undo: bool
) -> None:
    """In agreement with its database: `undo` if the live database is the one from before the restore."""
    wanted, harmed = _tree(sandbox), _harm(sandbox)
    _kill(sandbox, "files", where)
    (interrupted,) = files_restore.unfinished_swaps(sandbox.env())
    swapping = interrupted.phase is SwapPhase.SWAPPING
    assert swapping == (where.startswith(("set", "put")))
    assert files_pairing.settle_interrupted(sandbox.env(), {RESTORE} if undo else set(), set()) == [RESTORE]
    assert _tree(sandbox) == (wanted if swapping and not undo else harmed)
    assert files_restore.unfinished_swaps(sandbox.env()) == []
    assert not [name for name in _beside(sandbox) if "__restoring_" in name]
    put_in_place(sandbox.env(), manifest, "again", NOON)
    assert _tree(sandbox) == wanted


@pytest.mark.parametrize("where", ["set aside", "put in place", "set aside#2", "put in place#2"])
def test_a_rollback_killed_at_any_step_is_finished(sandbox: Sandbox, manifest: Manifest, where: str) -> None:
    harmed = _harm(sandbox)
    put_in_place(sandbox.env(), manifest, RESTORE, NOON)
    _kill(sandbox, "take back", where)
    assert files_pairing.settle_interrupted(sandbox.env(), set(), set()) == [RESTORE]
    assert _tree(sandbox) == harmed
    assert files_restore.unfinished_swaps(sandbox.env()) == []


def test_files_that_somebody_has_put_there_meanwhile_are_not_renamed(
    sandbox: Sandbox, manifest: Manifest, media: Path
) -> None:
    _harm(sandbox)
    _kill(sandbox, "files", "put in place")
    media.mkdir()
    (media / "theirs").touch()
    with pytest.raises(LedgerError, match="Something other than this restore"):
        files_pairing.settle_interrupted(sandbox.env(), set(), set())
    assert [path.name for path in media.iterdir()] == ["theirs"]
