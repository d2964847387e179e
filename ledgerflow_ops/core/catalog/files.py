"""The files that go with a dump: each file's entry in the manifest, and the archive that holds its bytes.

A file's bytes are stored once: a later backup of the same file names the archive that already has them.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from ledgerflow_ops.core.catalog.naming import ARCHIVES
from ledgerflow_ops.core.models import FileFacts, Record

_ESCAPED = re.compile(rb"\\(\\|x[0-9a-f]{2})")
_MANY = 3


class FileKind(StrEnum):
    """The kind of an entry. Hard links are files; sockets, pipes and devices are left out."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


def quoted(name: str) -> str:
    """A name of the file system as text: bytes that are not UTF-8 become `\\xNN`, a backslash is doubled."""
    doubled = name.replace("\\", "\\\\")
    return doubled.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unquoted(text: str) -> str:
    """The name from which `quoted` made `text`."""
    return _ESCAPED.sub(_byte, text.encode()).decode("utf-8", "surrogateescape")


def _byte(match: re.Match[bytes]) -> bytes:
    return b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)])


def _inside(path: str) -> str:
    """Validate that a path stays below its root."""
    if (path and not {"", ".", ".."}.isdisjoint(path.split("/"))) or "\0" in path:
        raise ValueError(f"{path!r} leaves its folder")
    return path


def _archive(file: str) -> str:
    if "/" in file or not file.endswith(ARCHIVES):
        raise ValueError(f"{file!r} is not the name of an archive of files")
    return file


class FileEntry(Record):
    """One file, folder or symbolic link. `path` is relative to `root`, a setting; empty for the root itself.

    `path` and `target` are as `quoted` makes them. A file has its SHA-256 and the archive that holds its
    bytes; a link has its target.
    """

    root: str
    path: Annotated[str, AfterValidator(_inside)]
    kind: FileKind
    size: int = 0
    mode: int
    mtime_ns: int
    owner: tuple[int, int]
    sha256: str = ""
    target: str = ""
    archive: str = ""

    @property
    def display_path(self) -> str:
        """Its path as people read it."""
        return display_path(self.root, self.path)


class FilesState(Record):
    """The files that go with one dump, as they stood together at `still_at`, after the dump's snapshot.

    `archive` is this backup's own; `needs` are those of earlier backups that hold bytes of these files.
    """

    roots: tuple[str, ...]
    begun_at: datetime
    still_at: datetime
    archive: FileFacts
    needs: tuple[FileFacts, ...]
    entries: tuple[FileEntry, ...]
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Check that no entry comes twice, that each lies in a folder, and that its archive is listed."""
        kinds = {(entry.root, entry.path): entry.kind for entry in self.entries}
        archives = {_archive(facts.file) for facts in self.archives}
        if len(kinds) != len(self.entries):
            raise ValueError("an entry comes twice")
        if {root for root, path in kinds if not path} != set(self.roots):
            raise ValueError("the roots differ from the entries of roots")
        for entry in self.entries:
            above = entry.path.rpartition("/")[0]
            if entry.path and kinds.get((entry.root, above)) is not FileKind.FOLDER:
                raise ValueError(f"{entry.display_path!r} does not lie in a folder: it leads elsewhere")
            if entry.kind is FileKind.FILE and entry.archive not in archives:
                raise ValueError(f"{entry.display_path!r} is in an archive that is not listed")
        return self

    @property
    def archives(self) -> tuple[FileFacts, ...]:
        """Every archive that is needed to have all these files."""
        return (self.archive, *self.needs)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The entries that are files."""
        return tuple(entry for entry in self.entries if entry.kind is FileKind.FILE)

    @property
    def newly_stored(self) -> tuple[FileEntry, ...]:
        """The files whose bytes this backup's own archive holds."""
        return self.held_by(self.archive.file)

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(entry.size for entry in self.files)

    def held_by(self, archive: str) -> tuple[FileEntry, ...]:
        """The files whose bytes are in that archive."""
        return tuple(entry for entry in self.files if entry.archive == archive)


def display_path(root: str, path: str) -> str:
    """A root and a path below it as one printable line; other characters are escaped."""
    whole = f"{root}/{path}" if path else root
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in whole)


def member_name(root: str, path: str) -> str:
    """The member name of a path in the archive, without the first slash. `path` is as `quoted` makes it."""
    return f"{root}/{unquoted(path)}".lstrip("/") if path else root.lstrip("/")


def leaves_folder(name: str) -> bool:
    """Whether an archive member of this name would be unpacked outside the target folder."""
    return name.startswith("/") or ".." in name.split("/")


def points_outside(path: str, target: str) -> bool:
    """Whether a link at `path` below a root, to `target`, leads out of the root."""
    if target.startswith("/"):
        return True
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Key:
    """What identifies a file across backups: its content counts, not its time of change."""

    root: str
    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, entry: FileEntry) -> "_Key":
        return cls(entry.root, entry.path, entry.size, entry.sha256)


def _stored(earlier: Iterable[FilesState]) -> Iterator[tuple[_Key, FileFacts]]:
    for state in earlier:
        archives = {facts.file: facts for facts in state.archives}
        for entry in state.files:
            yield _Key.of(entry), archives[entry.archive]


def candidate_archives(entries: Iterable[FileEntry], earlier: Iterable[FilesState]) -> set[FileFacts]:
    """The archives that should hold one of these files according to earlier backups."""
    wanted = {_Key.of(entry) for entry in entries if entry.kind is FileKind.FILE}
    return {archive for key, archive in _stored(earlier) if key in wanted}


@dataclass(frozen=True, slots=True)
class ArchiveAssignment:
    """Which archive holds each file: the entries with their archives, and the earlier archives that they
    need.
    """

    entries: tuple[FileEntry, ...]
    needs: tuple[FileFacts, ...]


def assign_archives(
    entries: Sequence[FileEntry], earlier: Sequence[FilesState], intact: Collection[FileFacts], own: str
) -> ArchiveAssignment:
    """The entries, each file with the intact archive that already has it, else with `own`.

    `earlier` is ordered, the newest first. An entry names the archive that has the bytes itself, never one
    that refers to a further archive.
    """
    known: dict[_Key, FileFacts] = {}
    for key, archive in _stored(earlier):
        if archive in intact:
            known.setdefault(key, archive)
    named, needs = [], dict[str, FileFacts]()
    for entry in entries:
        if entry.kind is FileKind.FILE:
            held = known.get(_Key.of(entry))
            if held is not None:
                needs[held.file] = held
            entry = entry.model_copy(update={"archive": own if held is None else held.file})
        named.append(entry)
    return ArchiveAssignment(tuple(named), tuple(needs[file] for file in sorted(needs)))


def bytes_to_store(sizes: Mapping[tuple[str, str], int], earlier: Iterable[FilesState]) -> int:
    """How many bytes of files may have to be stored. `sizes` are bytes by root and path.

    Files that an earlier backup has with the same size and path do not count.
    """
    known = {(key.root, key.path, key.size) for key, _ in _stored(earlier)}
    return sum(size for (root, path), size in sizes.items() if (root, path, size) not in known)


def needed_archives(states: Iterable[FilesState | None]) -> set[str]:
    """The archives that backups with these states need (None: a backup without files).

    An archive that a kept backup needs is not removed, even when the backup that it was made for is.
    """
    return {facts.file for state in states if state for facts in state.archives}


def some_names(entries: Sequence[FileEntry]) -> str:
    """The names of the first few files, and how many more there are."""
    listed = ", ".join(entry.display_path for entry in entries[:_MANY])
    return listed + (f" and {len(entries) - _MANY} more" if len(entries) > _MANY else "")


def by_member(entries: Iterable[FileEntry]) -> dict[str, FileEntry]:
    """The entries by their member names in archives."""
    return {member_name(entry.root, entry.path): entry for entry in entries}
