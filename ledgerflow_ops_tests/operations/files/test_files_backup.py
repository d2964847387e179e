"""The files that go with a dump: stored once and proven with it, with a clear error when they cannot be."""

import json
import os
import shutil
import socket
import tarfile
import threading
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.files import FileKind, FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import verify
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import disks, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

NFC, NFD = (unicodedata.normalize(form, "Müller–Äpfel.pdf") for form in ("NFC", "NFD"))


@pytest.fixture
def media(root: Path) -> Path:
    """A listed folder with a few files in it."""
    folder = root / "ledger media"
    (folder / "2026").mkdir(parents=True)
    (folder / "2026" / "statement.pdf").write_bytes(os.urandom(20_000))
    (folder / "notes.txt").write_text("paid\n")
    return folder


@pytest.fixture
def sandbox(root: Path, books: Database, media: Path) -> Sandbox:
    settings = root / "settings.env"
    settings.write_text("DEBUG=no\n")
    return Sandbox(root, books, {"files": [media, settings]})


def _take(sandbox: Sandbox, days: int = 0) -> Manifest:
    """A backup of so many days after noon."""
    return backup.backup(sandbox.env(now=lambda: NOON + timedelta(days=days)))


def _state(manifest: Manifest) -> FilesState:
    assert manifest.files is not None
    return manifest.files


def _name(manifest: Manifest) -> BackupName:
    return BackupName.of(manifest.dump.file)


def _paths(manifest: Manifest, kind: FileKind = FileKind.FILE) -> set[str]:
    return {entry.path for entry in _state(manifest).entries if entry.kind is kind}


def _refused(sandbox: Sandbox) -> LedgerError:
    """What a backup ends with; nothing of it is left."""
    files = sandbox.files()
    with pytest.raises(LedgerError) as caught:
        backup.backup(sandbox.env())
    assert sandbox.files() == files
    assert caught.value.hint
    return caught.value


class TestStored:
    def test_the_files_are_part_of_the_backup_and_proven_with_it(self, sandbox: Sandbox, media: Path) -> None:
        manifest = _take(sandbox)
        state, name = _state(manifest), _name(manifest)
        assert _paths(manifest) == {"2026/statement.pdf", "notes.txt", ""}
        assert _paths(manifest, FileKind.FOLDER) == {"", "2026"}
        assert state.roots == (str(media), str(sandbox.root / "settings.env"))
        assert (state.archive.file, state.needs, state.newly_stored) == (name.files, (), state.files)
        assert manifest.recovery_point <= state.begun_at <= state.still_at <= manifest.finished_at
        assert (backup_folder_of(sandbox.env()).file(name.files).stat().st_mode & 0o777) == 0o600
        assert verify.verify(sandbox.env(), name).rung is Rung.READABLE
        sandboxes.prove_backup(sandbox.env(), manifest)
        assert {*sandbox.files()} == {name.dump, name.files, name.globals, name.manifest, name.proof}

    def test_without_listed_files_there_is_no_archive_and_no_word_of_them(
        self, root: Path, books: Database
    ) -> None:
        sandbox = Sandbox(root, books)
        manifest = _take(sandbox)
        assert manifest.files is None
        assert "files" not in json.loads(backup_folder_of(sandbox.env()).read(_name(manifest).manifest))
        assert _name(manifest).files not in sandbox.files()

    def test_whatever_lies_there_comes_back_as_it_was(self, sandbox: Sandbox, media: Path) -> None:
        deep = media.joinpath(*["d" * 200] * 12)  # together longer than a path may be
        _made_deep(media, ["d" * 200] * 25)
        (media / NFC).write_text("composed")
        (media / NFD).write_text("decomposed")
        (media / "with space and 'quotes' \\ and \n line").write_text("odd")
        (media / "empty file").touch()
        (media / "empty folder").mkdir(mode=0o750)
        (media / ("n" * 255)).write_text("long name")
        Path(os.fsdecode(os.fsencode(media) + b"/latin-\xe4.txt")).write_text("no UTF-8")
        (media / "secret").write_text("s")
        (media / "secret").chmod(0o400)
        (media / "tool").write_text("t")
        (media / "tool").chmod(0o755)
        (media / "locked").mkdir()
        (media / "locked" / "in").write_text("in")
        (media / "locked").chmod(0o500)
        (media / "inside").symlink_to("2026/statement.pdf")
        (media / "outside").symlink_to("../settings.env")
        (media / "absolute").symlink_to("/etc/passwd")
        (media / "dangling").symlink_to("nowhere")
        (media / "folder link").symlink_to("2026")
        os.link(media / "notes.txt", media / "hard link")
        (media / "old").touch()
        os.utime(media / "old", (0, 0))
        assert deep.exists()
        recorder = Recorder()
        manifest = backup.backup(sandbox.env(recorder))
        links = {
            entry.path: entry.target for entry in _state(manifest).entries if entry.kind is FileKind.LINK
        }
        assert links["absolute"] == "/etc/passwd"
        assert not [path for path in _paths(manifest) if path.startswith("folder link/")]
        assert {NFC, NFD, "hard link", "latin-\\xe4.txt"} <= _paths(manifest)
        told = "\n".join(_state(manifest).notes)
        assert "outside is a link that leads out of its folder, to ../settings.env" in told
        assert "absolute is a link that leads out of its folder" in told
        assert "inside" not in told
        assert {*_state(manifest).notes} <= {*recorder.said}
        assert verify.verify(sandbox.env(), _name(manifest)).rung is Rung.READABLE
        sandboxes.prove_backup(sandbox.env(), manifest)

    def test_a_large_file_and_many_small_ones(self, sandbox: Sandbox, media: Path) -> None:
        (media / "large").write_bytes(os.urandom(1_000_000) * 50)
        (media / "many").mkdir()
        for number in range(2000):
            (media / "many" / f"{number}.txt").write_text(str(number))
        manifest = _take(sandbox)
        assert len(_state(manifest).files) == 2004
        sandboxes.prove_backup(sandbox.env(), manifest)

    def test_what_is_no_file_is_left_out_and_reported(self, sandbox: Sandbox, media: Path) -> None:
        os.mkfifo(media / "pipe")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(media / "s"))
        recorder = Recorder()
        manifest = backup.backup(sandbox.env(recorder))
        listening.close()
        assert {"pipe", "s"}.isdisjoint(_paths(manifest))
        assert f"{media}/pipe is a pipe: left out" in recorder.said
        assert f"{media}/s is a socket: left out" in _state(manifest).notes

    def test_plain_tar_opens_the_archive(self, sandbox: Sandbox, media: Path, tmp_path: Path) -> None:
        manifest = _take(sandbox)
        with (
            backup_folder_of(sandbox.env()).file(_name(manifest).files).open("rb") as file,
            tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as tar,
        ):
            tar.extractall(tmp_path, filter="data")
        copy = tmp_path / str(media).lstrip("/")
        assert (copy / "notes.txt").read_text() == "paid\n"
        assert (copy / "2026" / "statement.pdf").read_bytes() == (
            media / "2026" / "statement.pdf"
        ).read_bytes()


def _made_deep(folder: Path, names: list[str]) -> None:
    """Folders in folders, however long the path: each is made from the one above it."""
    descriptor = os.open(folder, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    made = os.open("at the end", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor)
    os.write(made, b"deep")
    os.close(made)
    os.close(descriptor)


class TestStoredOnce:
    def test_unchanged_files_are_not_stored_again(self, sandbox: Sandbox, media: Path) -> None:
        (media / "large").write_bytes(os.urandom(3_000_000))
        first = _take(sandbox, 0)
        os.utime(media / "large")  # another time, the same contents
        second = _take(sandbox, 1)
        (media / "notes.txt").write_text("paid twice\n")
        (media / "new").write_bytes(os.urandom(500_000))
        third = _take(sandbox, 2)

        sizes = [_state(manifest).archive.size for manifest in (first, second, third)]
        folder = backup_folder_of(sandbox.env())
        on_disk = [folder.file(_name(manifest).files).stat().st_size for manifest in (first, second, third)]
        assert on_disk == sizes
        assert sizes[0] > 3_000_000
        assert sizes[1] < 2_000
        assert 500_000 < sizes[2] < 520_000
        assert _state(second).newly_stored == ()
        assert _state(second).needs == (_state(first).archive,)
        assert {entry.path for entry in _state(third).newly_stored} == {"notes.txt", "new"}
        assert _state(third).needs == (_state(first).archive,), "an archive that only refers on is not needed"
        for manifest in (second, third):
            sandboxes.prove_backup(sandbox.env(), manifest)

    def test_a_file_that_was_put_back_is_found_again(self, sandbox: Sandbox, media: Path) -> None:
        first = _take(sandbox, 0)
        (media / "notes.txt").write_text("other")
        second = _take(sandbox, 1)
        (media / "notes.txt").write_text("paid\n")
        third = _take(sandbox, 2)
        assert [entry.path for entry in _state(second).newly_stored] == ["notes.txt"]
        assert _state(third).newly_stored == ()
        assert _state(third).needs == (_state(first).archive,)

    def test_other_contents_of_the_same_size_and_time_are_stored(self, sandbox: Sandbox, media: Path) -> None:
        _take(sandbox, 0)
        before = (media / "notes.txt").stat()
        (media / "notes.txt").write_text("owed\n")
        os.utime(media / "notes.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert [entry.path for entry in _state(_take(sandbox, 1)).newly_stored] == ["notes.txt"]

    @pytest.mark.parametrize("harm", ["gone", "cut", "flipped", "evicted", "bad"])
    def test_what_an_archive_held_is_stored_again_once_it_is_not_intact(
        self, sandbox: Sandbox, harm: str
    ) -> None:
        first = _take(sandbox, 0)
        path = backup_folder_of(sandbox.env()).file(_name(first).files)
        data = bytearray(path.read_bytes())
        if harm == "gone":
            path.unlink()
        elif harm == "cut":
            path.write_bytes(data[:-1])
        elif harm == "flipped":
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        elif harm == "evicted":
            path.rename(path.with_name(f".{path.name}.icloud"))
        else:
            dump = backup_folder_of(sandbox.env()).file(_name(first).dump)
            dump.write_bytes(dump.read_bytes()[:-1])
        second = _take(sandbox, 1)
        assert _state(second).needs == ()
        assert _state(second).newly_stored == _state(second).files
        sandboxes.prove_backup(sandbox.env(), second)

    def test_an_archive_outlives_the_backup_it_was_made_for(self, sandbox: Sandbox) -> None:
        first, second = _take(sandbox, 0), _take(sandbox, 1)
        for file in (_name(first).manifest, _name(first).dump, _name(first).globals):
            backup_folder_of(sandbox.env()).remove(file)
        third = _take(sandbox, 2)
        assert _state(third).needs == _state(second).needs == (_state(first).archive,)
        sandboxes.prove_backup(sandbox.env(), third)


class TestChangesWhileRead:
    def test_a_file_that_comes_to_rest_is_read_again(self, sandbox: Sandbox, media: Path) -> None:
        reporter = ActionAtStep(at=Step.PACK, action=lambda: (media / "notes.txt").write_text("paid late\n"))
        manifest = backup.backup(sandbox.env(reporter))
        assert reporter.fired
        assert reporter.steps.count(Step.PACK) == 2
        sandboxes.prove_backup(sandbox.env(), manifest)
        (entry,) = [entry for entry in _state(manifest).files if entry.path == "notes.txt"]
        assert entry.size == len("paid late\n")

    @pytest.mark.parametrize("what", ["new", "gone", "folder", "link", "other kind"])
    def test_what_comes_goes_or_turns_into_something_else_is_seen(
        self, sandbox: Sandbox, media: Path, what: str
    ) -> None:
        (media / "moving").write_text("x")

        def move() -> None:
            if what != "new" and what != "folder":
                (media / "moving").unlink()
            if what == "new":
                (media / "moving").rename(media / "moved")
            elif what == "folder":
                (media / "folder").mkdir()
            elif what == "link":
                (media / "moving").symlink_to("/etc/passwd")
            elif what == "other kind":
                os.mkfifo(media / "moving")

        reporter = ActionAtStep(at=Step.PACK, action=move)
        manifest = backup.backup(sandbox.env(reporter))
        assert reporter.fired
        assert ("moving" in _paths(manifest)) == (what == "folder")
        assert ("moved" in _paths(manifest)) == (what == "new")
        sandboxes.prove_backup(sandbox.env(), manifest)

    def test_a_file_that_never_stands_still_fails_the_backup_by_name(
        self, sandbox: Sandbox, media: Path
    ) -> None:
        (media / "large").write_bytes(os.urandom(8_000_000))
        done = threading.Event()

        def write() -> None:
            with (media / "growing.log").open("ab", buffering=0) as log:
                while not done.wait(0.002):
                    log.write(b"line\n")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            error = _refused(sandbox)
        finally:
            done.set()
            writer.join()
        assert error.exit_code == 1
        assert f"{media}/growing.log" in error.message
        assert "changed while it was read" in error.message
        assert "remove the file from `files`" in error.hint


class TestNotThere:
    def test_a_listed_folder_that_is_missing_is_named_before_anything_is_written(
        self, sandbox: Sandbox, media: Path
    ) -> None:
        shutil.rmtree(media)
        error = _refused(sandbox)
        assert f"{media} is listed in `files` but does not exist" in error.message

    def test_a_listed_link_is_refused_with_what_it_leads_to(self, sandbox: Sandbox, media: Path) -> None:
        media.rename(media.with_name("real"))
        media.symlink_to("real")
        error = _refused(sandbox)
        assert "symbolic link" in error.message
        assert str(media.with_name("real")) in error.hint

    def test_a_disk_without_room_for_the_files_is_reported_with_the_figures(
        self, root: Path, books: Database
    ) -> None:
        with disks.small_disk(root / "small", "60m") as small:
            (root / "media").mkdir()
            with (root / "media" / "large").open("wb") as file:
                file.truncate(70_000_000)
            error = _refused(Sandbox(small, books, {"files": [root / "media"]}))
            assert "Not enough space" in error.message
            assert "new files 70.7 MB" in error.message

    def test_a_file_that_cannot_be_read_is_named(self, root: Path, books: Database) -> None:
        unreadable = Path("/proc/self/mem")  # is there, and even root gets an error from its first byte
        error = _refused(Sandbox(root, books, {"files": [unreadable]}))
        assert "/proc/self/mem" in error.message
        assert "could not be read" in error.message
