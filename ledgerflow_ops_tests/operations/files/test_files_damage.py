"""Damaged, missing, swapped and crafted archives of files: none is called good, nothing leaves its folder."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, CannotJudge
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.files import files_verification
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

Look = Callable[..., Examination]
PLACES = 24


@dataclass(frozen=True)
class BackupPair:
    """Two days' backups of some files, whole in each test. The second needs the archive of the first."""

    sandbox: Sandbox
    first: Manifest
    second: Manifest
    files: dict[str, bytes]

    def name(self, manifest: Manifest) -> BackupName:
        return BackupName.of(manifest.dump.file)

    def restock(self) -> None:
        """Make the folder hold what it held at first."""
        env = self.sandbox.env()
        for file in backup_folder_of(env).path.iterdir():
            file.unlink()
        for name, data in self.files.items():
            env.store.put(name, data)

    def archive(self, manifest: Manifest) -> bytearray:
        return bytearray(self.files[self.name(manifest).files])

    def lay(self, manifest: Manifest, archive: bytes) -> None:
        """Put these bytes where the archive of that backup is."""
        backup_folder_of(self.sandbox.env()).replace(self.name(manifest).files, archive)

    def commit(self, manifest: Manifest, archive: bytes) -> None:
        """The same, under a manifest that says that they are right."""
        self.lay(manifest, archive)
        facts = {"size": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}
        state = _state(manifest)
        changed = state.model_copy(update={"archive": state.archive.model_copy(update=facts)})
        data = manifest.model_copy(update={"files": changed}).encode()
        backup_folder_of(self.sandbox.env()).replace(self.name(manifest).manifest, data)

    def found_bad(self, manifest: Manifest, look: Look = verify.verify) -> str:
        """Cause and message of the verdict on a backup that is found bad."""
        examination = look(self.sandbox.env(), self.name(manifest))
        assert examination.bad is not None, "it was called good"
        assert examination.bad.hint
        assert not examination.proven
        return f"{examination.bad.cause}: {examination.bad.message}"


def _state(manifest: Manifest) -> FilesState:
    assert manifest.files is not None
    return manifest.files


@pytest.fixture(scope="module")
def stock(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[BackupPair]:
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as books:
        media = root / "media"
        (media / "2026").mkdir(parents=True)
        for number in range(20):
            (media / "2026" / f"statement {number}.pdf").write_bytes(os.urandom(300 * number))
        (media / "notes.txt").write_text("paid\n" * 2000)
        (media / "link").symlink_to("notes.txt")
        sandbox = Sandbox(root, books, {"files": [media]})
        first = backup.backup(sandbox.env(now=lambda: NOON))
        (media / "new.txt").write_text("new\n")
        second = backup.backup(sandbox.env(now=lambda: NOON + timedelta(days=1)))
        folder = backup_folder_of(sandbox.env())
        yield BackupPair(sandbox, first, second, {file: folder.read(file) for file in sandbox.files()})


@pytest.fixture
def pair(stock: BackupPair) -> BackupPair:
    stock.restock()
    return stock


def test_undamaged_both_are_good(pair: BackupPair) -> None:
    for manifest in (pair.first, pair.second):
        assert verify.verify(pair.sandbox.env(), pair.name(manifest)).rung is Rung.READABLE
    sandboxes.prove_backup(pair.sandbox.env(), pair.second)


@pytest.mark.parametrize("place", range(PLACES))
@pytest.mark.parametrize("harm", ["flip", "cut", "zero", "lost", "doubled"])
def test_no_damage_to_an_archive_is_called_good(pair: BackupPair, harm: str, place: int) -> None:
    data = pair.archive(pair.first)
    at = len(data) * place // PLACES
    if harm == "flip":
        data[at] ^= 1 << place % 8
    elif harm == "cut":
        del data[at:]
    elif harm == "zero":
        data[at : at + 64] = bytes(64)
    elif harm == "lost":
        del data[at]
    else:
        data[at:at] = data[at : at + 1]
    pair.lay(pair.first, bytes(data))
    for manifest in (pair.first, pair.second):  # the second needs the archive of the first
        said = pair.found_bad(manifest)
        assert said.startswith("files: ")
        assert pair.name(pair.first).files in said


@pytest.mark.parametrize(
    ("look", "place"),
    [*((verify.verify, place) for place in range(PLACES)), *((drill.drill, place) for place in (1, 12, 22))],
)
def test_damage_that_the_manifest_commits_is_found_by_reading_each_file(
    pair: BackupPair, look: Look, place: int
) -> None:
    data = pair.archive(pair.first)
    data[20 + (len(data) - 40) * place // PLACES] ^= 0x10
    pair.commit(pair.first, bytes(data))
    said = pair.found_bad(pair.first, look)
    assert any(word in said for word in ("could not be unpacked", "have changed", "missing", "not name"))


@pytest.mark.parametrize("place", range(PLACES))
def test_damage_inside_of_the_packing_is_found_file_by_file(pair: BackupPair, place: int) -> None:
    """Packed again, under a manifest that commits it: only the digests of the files are left."""
    tar = bytearray(zstandard.ZstdDecompressor().decompressobj().decompress(pair.archive(pair.first)))
    text = tar.index(b"paid\n")
    at = text + 400 * place  # in a file's contents; a damaged header ends the archive there
    tar[at] ^= 1
    pair.commit(pair.first, zstandard.ZstdCompressor().compress(bytes(tar)))
    assert "notes.txt: its contents" in pair.found_bad(pair.first)
    header = tar.rindex(b"statement 7.pdf", 0, text) if place % 2 else text - 500
    tar[at] ^= 1
    tar[header + place % 3] ^= 1 << place % 8
    pair.commit(pair.first, zstandard.ZstdCompressor().compress(bytes(tar)))
    assert pair.found_bad(pair.first).startswith("files: ")


@pytest.mark.parametrize("look", [verify.verify, drill.drill])
def test_an_archive_that_is_gone_is_named_with_the_files_it_held(pair: BackupPair, look: Look) -> None:
    file = pair.name(pair.first).files
    backup_folder_of(pair.sandbox.env()).remove(file)
    said = pair.found_bad(pair.second, look)
    assert said.startswith(f"files: {file} is gone. It holds 21 files of this backup: ")
    assert "2026/statement 0.pdf" in said
    assert {*pair.sandbox.states().values()} == {"bad"}


@pytest.mark.parametrize("look", [verify.verify, drill.drill])
def test_an_archive_swapped_with_another_days_is_bad(pair: BackupPair, look: Look) -> None:
    pair.lay(pair.first, bytes(pair.archive(pair.second)))
    assert pair.found_bad(pair.first, look).startswith("files: ")


@pytest.mark.parametrize("look", [verify.verify, drill.drill])
def test_another_days_archive_that_the_manifest_commits_is_bad(pair: BackupPair, look: Look) -> None:
    pair.commit(pair.first, bytes(pair.archive(pair.second)))
    said = pair.found_bad(pair.first, look)
    assert "new.txt, which its manifest does not name" in said


def test_a_drill_without_room_for_the_files_says_nothing_of_them(pair: BackupPair) -> None:
    entries = list(_state(pair.first).entries)
    entries[-1] = entries[-1].model_copy(update={"size": 10**15})
    state = _state(pair.first).model_copy(update={"entries": tuple(entries)})
    data = pair.first.model_copy(update={"files": state}).encode()
    backup_folder_of(pair.sandbox.env()).replace(pair.name(pair.first).manifest, data)
    with pytest.raises(CannotJudge, match="Not enough space to restore into"):
        drill.drill(pair.sandbox.env(), pair.name(pair.first))


def test_an_archive_in_the_cloud_is_neither_lost_nor_judged(pair: BackupPair) -> None:
    path = backup_folder_of(pair.sandbox.env()).file(pair.name(pair.first).files)
    path.rename(path.with_name(f".{path.name}.icloud"))
    for manifest in (pair.first, pair.second):
        with pytest.raises(CannotJudge, match="not local"):
            verify.verify(pair.sandbox.env(), pair.name(manifest))
    assert {*pair.sandbox.states().values()} == {"not local"}


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": 7}, {"path": "2026/other"}])
@pytest.mark.parametrize("look", [verify.verify, drill.drill])
def test_an_archive_that_was_written_wrongly_is_bad(
    pair: BackupPair, change: dict[str, Any], look: Look
) -> None:
    """The manifest says something else than what is in the archive, and commits both."""
    entries = list(_state(pair.first).entries)
    index = next(i for i, entry in enumerate(entries) if entry.path.startswith("2026/"))
    entries[index] = entries[index].model_copy(update=change)
    state = _state(pair.first).model_copy(update={"entries": tuple(entries)})
    data = pair.first.model_copy(update={"files": state}).encode()
    backup_folder_of(pair.sandbox.env()).replace(pair.name(pair.first).manifest, data)
    assert "2026/" in pair.found_bad(pair.first, look)


def _turned(path: Path, into: Callable[[], object]) -> None:
    path.unlink()
    into()


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "mode": (
        lambda top: (top / "notes.txt").chmod(0o123),
        "notes.txt: mode 0644 in the manifest, 0123 found",
    ),
    "mode of a folder": (
        lambda top: (top / "2026").chmod(0o711),
        "2026: mode 0755 in the manifest, 0711 found",
    ),
    "size": (
        lambda top: (top / "notes.txt").write_text("x"),
        "notes.txt: 10000 bytes in the manifest, 1 found",
    ),
    "contents": (
        lambda top: (top / "notes.txt").write_text("owed\n" * 2000),
        "notes.txt: its contents have changed: its SHA-256 differs",
    ),
    "missing": (lambda top: (top / "notes.txt").unlink(), "notes.txt: missing"),
    "more": (lambda top: (top / "more").touch(), "more: not in the manifest"),
    "kind": (
        lambda top: _turned(top / "link", lambda: (top / "link").write_text("x")),
        "link: a link in the manifest, a file found",
    ),
    "target": (
        lambda top: _turned(top / "link", lambda: (top / "link").symlink_to("new")),
        "link: leads to notes.txt in the manifest, to new as found",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_way_an_unpacked_file_can_differ_is_named(pair: BackupPair, tmp_path: Path, harm: str) -> None:
    state = _state(pair.first)
    places = files_verification.drill_folders(state, tmp_path / "unpacked")
    files_verification.unpack_files(
        pair.sandbox.env(), state, places, lambda done, expected: None, durable=False
    )
    assert files_verification.compare_unpacked_files(state, places) == []
    (root,) = state.roots
    do, words = HARMS[harm]
    do(places[root])
    assert [
        (found.cause, found.sentence) for found in files_verification.compare_unpacked_files(state, places)
    ] == [("files", f"{root}/{words}")]


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    """An archive of such members: name, type, and what it holds or where it leads."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, text in members:
            header = tarfile.TarInfo(name)
            header.type = kind
            header.linkname = "" if kind == tarfile.REGTYPE else text
            header.size = len(text) if kind == tarfile.REGTYPE else 0
            tar.addfile(header, io.BytesIO(text.encode()))
    return zstandard.ZstdCompressor().compress(out.getvalue())


CRAFTED = {
    "upwards": ((("../escaped", tarfile.REGTYPE, "x"),), "leaves the folder: ../escaped"),
    "upwards inside": ((("a/../../escaped", tarfile.REGTYPE, "x"),), "leaves the folder: a/../../escaped"),
    "absolute": ((("/tmp/lf-escaped", tarfile.REGTYPE, "x"),), "leaves the folder: /tmp/lf-escaped"),
    "upwards folder": ((("../escaped", tarfile.DIRTYPE, ""),), "leaves the folder: ../escaped"),
    "through a link": (
        (("a", tarfile.SYMTYPE, "/tmp"), ("a/lf-escaped", tarfile.REGTYPE, "x")),
        "leaves the folder through a link: a/lf-escaped",
    ),
    "hard link": ((("a", tarfile.LNKTYPE, "/etc/passwd"),), "neither a file, a folder nor a symbolic link"),
    "device": ((("a", tarfile.CHRTYPE, ""),), "neither a file, a folder nor a symbolic link"),
    "pipe": ((("a", tarfile.FIFOTYPE, ""),), "neither a file, a folder nor a symbolic link"),
    "one more file": ((("a", tarfile.REGTYPE, "x"),), "a, which its manifest does not name"),
}


@pytest.mark.parametrize("look", [verify.verify, drill.drill])
@pytest.mark.parametrize("crafted", CRAFTED)
def test_a_crafted_archive_is_refused_and_nothing_is_written_outside(
    pair: BackupPair, crafted: str, look: Look
) -> None:
    members, words = CRAFTED[crafted]
    pair.commit(pair.first, _tar(*members))
    assert words in pair.found_bad(pair.first, look)
    assert not Path("/tmp/lf-escaped").exists()
    assert not [*pair.sandbox.root.rglob("escaped")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "../escaped"}, "leaves its folder"),
        ({"path": "/etc/escaped"}, "leaves its folder"),
        ({"path": "a//b"}, "leaves its folder"),
        ({"path": "link/escaped"}, "does not lie in a folder"),
        ({"path": "notes.txt/x"}, "does not lie in a folder"),
        ({"path": "missing folder/x"}, "does not lie in a folder"),
        ({"path": "notes.txt"}, "comes twice"),
        ({"root": "/elsewhere"}, "does not lie in a folder"),
        ({"archive": "other.files.tar.zst"}, "archive that is not listed"),
    ],
)
def test_a_crafted_manifest_is_refused(pair: BackupPair, change: dict[str, str], words: str) -> None:
    fields = pair.first.model_dump(mode="json")
    entry = next(entry for entry in fields["files"]["entries"] if entry["path"].startswith("2026/"))
    entry.update(change)
    with pytest.raises(BadBackup, match=words):
        Manifest.decode(encode_sealed(fields), "x.manifest.json")


@pytest.mark.parametrize("file", ["../x.files.tar.zst", "/etc/passwd", "x.dump"])
def test_a_manifest_names_archives_of_its_own_folder_only(pair: BackupPair, file: str) -> None:
    fields = pair.first.model_dump(mode="json")
    fields["files"]["archive"]["file"] = file
    with pytest.raises(BadBackup, match=r"is not the (bare )?name of an? (archive|file)"):
        Manifest.decode(encode_sealed(fields), "x.manifest.json")
