"""Restoring files: the ones of the backup or those that were there, whole, whatever happens in between."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import trees
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.file_swap import Phase
from ledgerflow_ops.core.files import FilesState
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.progress import FILES_STEPS, Step
from ledgerflow_ops.operations import files, files_plan, pairing
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder
from ledgerflow_ops_tests.fakes import disks, grounds
from ledgerflow_ops_tests.fakes.grounds import At, Ground
from ledgerflow_ops_tests.fakes.killed import RESTORE, put_in_place, take_back

Tree = dict[str, tuple[str, int, str, bytes]]


@pytest.fixture(scope="module")
def books(embedded: Embedded) -> Iterator[Database]:
    with grounds.sample_copy(embedded) as database:
        yield database


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
def ground(root: Path, books: Database, media: Path) -> Ground:
    settings = media.with_name("settings.env")
    settings.write_text("DEBUG=no\n")
    return Ground(root, books, {"files": [media, settings]})


@pytest.fixture
def manifest(ground: Ground) -> Manifest:
    return grounds.take(ground.site())


def _tree(ground: Ground) -> Tree:
    """All that is in the listed places now, with what a restore has to bring back of it."""
    roots = [str(path) for path in ground.fields["files"] if path.exists()]
    return {
        found.place: (
            found.kind,
            found.mode if found.kind != "link" else 0,
            found.target,
            Path(found.root, found.path).read_bytes() if found.kind == "file" else b"",
        )
        for found in trees.survey(roots).found
    }


def _harm(ground: Ground) -> Tree:
    """The files as they became after the backup; what is there then."""
    media, settings = ground.fields["files"]
    (media / "notes.txt").unlink()
    (media / "later.txt").write_text("later\n")
    settings.write_text("DEBUG=yes\n")
    return _tree(ground)


def _beside(ground: Ground) -> list[str]:
    """What lies beside the roots on account of restores."""
    return sorted(path.name for path in (ground.root / "books").iterdir() if "__" in path.name)


def test_the_files_come_back_and_those_that_were_there_are_kept(ground: Ground, manifest: Manifest) -> None:
    wanted, harmed = _tree(ground), _harm(ground)
    recorder = Recorder()
    swap = put_in_place(ground.site(recorder), manifest, "a1", NOON)
    assert swap.phase is Phase.SWAPPED
    assert _tree(ground) == wanted != harmed
    assert list(dict.fromkeys(recorder.steps)) == list(FILES_STEPS)
    assert _beside(ground) == ["ledger media__before_a1", "settings.env__before_a1"]
    assert (ground.root / "books" / "settings.env__before_a1").read_text() == "DEBUG=yes\n"
    assert pairing.settle(ground.site(), set(), set()) == []
    notes = (ground.fields["files"][0] / "notes.txt").stat()
    assert notes.st_mtime_ns == next(
        entry.mtime_ns for entry in _files(manifest).entries if entry.path == "notes.txt"
    )


def _files(manifest: Manifest) -> FilesState:
    assert manifest.files is not None
    return manifest.files


def test_a_restore_is_taken_back_and_what_it_had_put_there_is_kept(
    ground: Ground, manifest: Manifest
) -> None:
    harmed = _harm(ground)
    put_in_place(ground.site(), manifest, "a1", NOON)
    assert take_back(ground.site(), "a1").phase is Phase.TAKEN_BACK
    assert _tree(ground) == harmed
    assert _beside(ground) == ["ledger media__undone_a1", "settings.env__undone_a1"]
    assert files.swapped(ground.site(), "a1") is None
    files.drop(ground.site(), "a1")
    assert _beside(ground) == []
    assert files.taken_back(ground.site(), "a1") is None
    with pytest.raises(LedgerError, match="There is no restore"):
        files.drop(ground.site(), "a1")


def test_files_that_are_gone_altogether_come_back(ground: Ground, manifest: Manifest) -> None:
    wanted = _tree(ground)
    shutil.rmtree(ground.root / "books")
    put_in_place(ground.site(), manifest, "a1", NOON)
    assert _tree(ground) == wanted
    assert _beside(ground) == []
    take_back(ground.site(), "a1")
    assert _tree(ground) == {}
    assert _beside(ground) == ["ledger media__undone_a1", "settings.env__undone_a1"]


def test_files_that_earlier_archives_hold_come_back(ground: Ground, manifest: Manifest, media: Path) -> None:
    (media / "new.txt").write_text("new\n")
    second = grounds.take(ground.site())
    assert _files(second).needs == (_files(manifest).archive,)
    wanted, _ = _tree(ground), _harm(ground)
    put_in_place(ground.site(), second, "a1", NOON)
    assert _tree(ground) == wanted


def test_a_plan_says_what_would_be_done_and_touches_nothing(ground: Ground, manifest: Manifest) -> None:
    harmed = _harm(ground)
    planned = files_plan.plan(ground.site(), manifest, "a1", NOON)
    assert (planned.obstacles, planned.lacking) == ((), ())
    assert [place.existed for place in planned.swap.places] == [True, True]
    (room,) = planned.room
    assert room.needed == 30_000 + 5 + 9 + 4096 * 7
    assert room.free > room.needed
    assert (_tree(ground), _beside(ground)) == (harmed, [])


def test_a_damaged_archive_is_refused_before_anything_is_touched(ground: Ground, manifest: Manifest) -> None:
    harmed = _harm(ground)
    path = ground.site().folder.file(BackupName.of(manifest.dump.file).files)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadBackup, match="SHA-256 is another"):
        put_in_place(ground.site(), manifest, "a1", NOON)
    assert (_tree(ground), _beside(ground)) == (harmed, [])


def test_a_backup_without_files_has_none_to_restore(root: Path, books: Database) -> None:
    ground = Ground(root, books)
    with pytest.raises(Refused, match="No files belong to"):
        put_in_place(ground.site(), grounds.take(ground.site()), "a1", NOON)


def test_what_stands_in_the_way_is_said_before_anything_is_touched(
    ground: Ground, manifest: Manifest, media: Path
) -> None:
    (media.with_name("settings.env__before_a1")).touch()
    media.rename(media.with_name("real"))
    media.symlink_to("real")
    with pytest.raises(Refused) as caught:
        put_in_place(ground.site(), manifest, "a1", NOON)
    assert "ledger media: it is a symbolic link" in caught.value.message
    assert "settings.env: a restore called a1 has left something beside it" in caught.value.message


def test_a_disk_that_is_too_small_is_told_with_the_figures(root: Path, books: Database) -> None:
    with disks.small_disk(root / "small", "1m") as small:
        media = small / "media"
        media.mkdir()
        (media / "large").write_bytes(os.urandom(600_000))
        ground = Ground(root, books, {"files": [media]})
        manifest = grounds.take(ground.site())
        with pytest.raises(Refused, match=r"No room .* 608\.\d KB needed"):
            put_in_place(ground.site(), manifest, "a1", NOON)
        assert [path.name for path in small.iterdir()] == ["media"]


@pytest.mark.parametrize("step", [Step.LAY_OUT, Step.HOLD])
def test_laying_out_that_is_interrupted_removes_what_it_had_unpacked(
    ground: Ground, manifest: Manifest, step: Step
) -> None:
    harmed = _harm(ground)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.lay_out(ground.site(At(at=step, action=interrupt)), manifest, "a1", NOON)
    assert (_tree(ground), _beside(ground)) == (harmed, [])
    assert files.unfinished(ground.site()) == []
    put_in_place(ground.site(), manifest, "a1", NOON)


def _kill(ground: Ground, what: str, where: str) -> None:
    listed = [str(path) for path in ground.fields["files"]]
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "ledgerflow_ops_tests.fakes.killed",
            what,
            where,
            str(ground.root),
            builders.url(ground.database),
            *listed,
        ],
        cwd=PROJECT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, f"the fault at {where!r} never fired:\n{finished.stderr!r}"


# The bytes are of the unpacked files: the archive, which is read before, packs to a few hundred.
EACH = [*FILES_STEPS, "20000 bytes", "set aside#2", "put in place#2"]


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize("where", EACH)
def test_a_restore_killed_at_any_step_is_finished_or_undone(
    ground: Ground, manifest: Manifest, where: str, undo: bool
) -> None:
    """On the side of its database: `undo` where that is still, or again, the one that was there."""
    wanted, harmed = _tree(ground), _harm(ground)
    _kill(ground, "files", where)
    (interrupted,) = files.unfinished(ground.site())
    swapping = interrupted.phase is Phase.SWAPPING
    assert swapping == (where.startswith(("set", "put")))
    assert pairing.settle(ground.site(), {RESTORE} if undo else set(), set()) == [RESTORE]
    assert _tree(ground) == (wanted if swapping and not undo else harmed)
    assert files.unfinished(ground.site()) == []
    assert not [name for name in _beside(ground) if "__restoring_" in name]
    put_in_place(ground.site(), manifest, "again", NOON)
    assert _tree(ground) == wanted


@pytest.mark.parametrize("where", ["set aside", "put in place", "set aside#2", "put in place#2"])
def test_a_rollback_killed_at_any_step_is_finished(ground: Ground, manifest: Manifest, where: str) -> None:
    harmed = _harm(ground)
    put_in_place(ground.site(), manifest, RESTORE, NOON)
    _kill(ground, "take back", where)
    assert pairing.settle(ground.site(), set(), set()) == [RESTORE]
    assert _tree(ground) == harmed
    assert files.unfinished(ground.site()) == []


def test_files_that_somebody_has_put_there_meanwhile_are_not_renamed(
    ground: Ground, manifest: Manifest, media: Path
) -> None:
    _harm(ground)
    _kill(ground, "files", "put in place")
    media.mkdir()
    (media / "theirs").touch()
    with pytest.raises(LedgerError, match="Somebody else"):
        pairing.settle(ground.site(), set(), set())
    assert [path.name for path in media.iterdir()] == ["theirs"]
