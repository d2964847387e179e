"""Scans listed folders and files, and reads files, noticing every change meanwhile."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.storage.safe_path import SafePath
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, display_path, points_outside, quoted
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

CHUNK = 1024 * 1024
_CHANGED_HINT = Hint(
    "Wait until nothing writes there, or remove the file from `files`; then run the backup again."
)
_READ_HINT = Hint("Let the account that makes the backups read it, or remove it from `files`.")
_MISSING_HINT = Hint("Fix the path in `files`, or restore the missing file. Nothing was kept.")
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class FileChanged(LedgerError):
    """A file or folder changed while it was read. Another attempt may succeed."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} changed while it was read.", hint=_CHANGED_HINT)


@dataclass(frozen=True, slots=True)
class ScannedEntry:
    """A file, folder or link below a root. `version` differs whenever it was changed or replaced."""

    root: str
    path: str
    kind: FileKind
    size: int
    mode: int
    mtime_ns: int
    owner: tuple[int, int]
    target: str
    version: tuple[int, ...]

    @property
    def place(self) -> str:
        return display_path(self.root, self.path)

    def entry(self, sha256: str = "") -> FileEntry:
        """The entry of the manifest, without its archive."""
        return FileEntry(
            root=self.root,
            path=quoted(self.path),
            kind=self.kind,
            size=self.size,
            mode=self.mode,
            mtime_ns=self.mtime_ns,
            owner=self.owner,
            sha256=sha256,
            target=quoted(self.target),
        )


@dataclass(frozen=True, slots=True)
class Scan:
    """All entries below the roots, and notes on what is left out or leads out of its folder."""

    entries: tuple[ScannedEntry, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[ScannedEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is FileKind.FILE)

    def changed(self, later: "Scan") -> list[str]:
        """The paths that differ in the later scan."""
        before, after = (
            {(entry.root, entry.path): entry for entry in scan.entries} for scan in (self, later)
        )
        differing = [
            key
            for key in {**before, **after}
            if key not in before or key not in after or before[key].version != after[key].version
        ]
        return [display_path(root, path) for root, path in differing]


def scan_roots(roots: Sequence[str]) -> Scan:
    """All entries below the roots now; LedgerError, naming the path, if one is missing or cannot be read."""
    entries: list[ScannedEntry] = []
    notes: list[str] = []
    for root in roots:
        for entry in _scan_root(root):
            if isinstance(entry, str):
                notes.append(entry)
                continue
            entries.append(entry)
            if entry.kind is FileKind.LINK and points_outside(entry.path, entry.target):
                target = display_path(entry.target, "")
                notes.append(f"{entry.place} is a link that leads out of its folder, to {target}")
    return Scan(tuple(entries), tuple(notes))


def _scan_root(root: str) -> Iterator[ScannedEntry | str]:
    with translated(root, ""), SafePath(root) as safe_path:
        try:
            facts = safe_path.lstat("")
        except (FileNotFoundError, NotADirectoryError):
            raise _missing_error(root) from None
        if stat.S_ISLNK(facts.st_mode):
            real = Hint(f"List its target instead: {Path(root).resolve()}.")
            raise LedgerError(
                f"{display_path(root, '')} is listed in `files` but is a symbolic link.", hint=real
            )
        if not stat.S_ISDIR(facts.st_mode) and not stat.S_ISREG(facts.st_mode):
            raise LedgerError(f"{display_path(root, '')} is neither a folder nor a file.", hint=_MISSING_HINT)
        yield _scanned_entry(root, "", facts)
        if stat.S_ISDIR(facts.st_mode):
            yield from _scan_folder(safe_path, root, "")


def _scan_folder(safe_path: SafePath, root: str, path: str) -> Iterator[ScannedEntry | str]:
    """All entries below a folder, sorted by name, each folder before its contents."""
    for name in sorted(_list_folder(safe_path, root, path)):
        entry_path = f"{path}/{name}" if path else name
        with translated(root, entry_path):
            facts = safe_path.lstat(entry_path)
            kind = stat.S_IFMT(facts.st_mode)
            if kind in _SPECIAL:
                yield f"{display_path(root, entry_path)} is {_SPECIAL[kind]}: left out"
                continue
            yield _scanned_entry(
                root, entry_path, facts, _link_target(safe_path, entry_path) if kind == stat.S_IFLNK else ""
            )
        if kind == stat.S_IFDIR:
            yield from _scan_folder(safe_path, root, entry_path)


def _list_folder(safe_path: SafePath, root: str, path: str) -> list[str]:
    with translated(root, path):
        descriptor = safe_path.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return os.listdir(descriptor)  # noqa: PTH208 - of a descriptor
        finally:
            os.close(descriptor)


def _link_target(safe_path: SafePath, path: str) -> str:
    folder, name = safe_path.parent_of(path)
    return os.readlink(name, dir_fd=folder)


def _scanned_entry(root: str, path: str, facts: os.stat_result, target: str = "") -> ScannedEntry:
    kind = {stat.S_IFDIR: FileKind.FOLDER, stat.S_IFLNK: FileKind.LINK}.get(
        stat.S_IFMT(facts.st_mode), FileKind.FILE
    )
    return ScannedEntry(
        root=root,
        path=path,
        kind=kind,
        size=facts.st_size if kind is FileKind.FILE else 0,
        mode=stat.S_IMODE(facts.st_mode),
        mtime_ns=facts.st_mtime_ns,
        owner=(facts.st_uid, facts.st_gid),
        target=target,
        version=_version(facts),
    )


def _version(facts: os.stat_result) -> tuple[int, ...]:
    """The version of a file or folder. A folder's times are left out: its contents are compared by name."""
    whole = (facts.st_mode, facts.st_ino, facts.st_uid, facts.st_gid)
    if stat.S_ISDIR(facts.st_mode):
        return whole
    return (*whole, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


class FileReader:
    """Reads files of one scan, one after the other."""

    def __init__(self) -> None:
        self._safe_path: SafePath | None = None
        self._root = ""

    def __enter__(self) -> "FileReader":
        return self

    def __exit__(self, *details: object) -> None:
        if self._safe_path:
            self._safe_path.__exit__()

    def read(self, entry: ScannedEntry, take: Callable[[bytes], object]) -> str:
        """Pass every byte of a file to `take`; returns its SHA-256. FileChanged if it changed meanwhile."""
        with translated(entry.root, entry.path):
            # A pipe may have replaced the file: opening it without O_NONBLOCK would wait for a writer.
            descriptor = self._root_path(entry.root).open(entry.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                self._require_unchanged(entry, descriptor)
                digest, size = hashlib.sha256(), 0
                while chunk := os.read(descriptor, min(CHUNK, entry.size - size + 1)):
                    size += len(chunk)
                    if size > entry.size:
                        raise FileChanged(entry.place)
                    digest.update(chunk)
                    take(chunk)
                self._require_unchanged(entry, descriptor)
            finally:
                os.close(descriptor)
        if size != entry.size:
            raise FileChanged(entry.place)
        return digest.hexdigest()

    def _require_unchanged(self, entry: ScannedEntry, descriptor: int) -> None:
        if _version(os.fstat(descriptor)) != entry.version:
            raise FileChanged(entry.place)

    def _root_path(self, root: str) -> SafePath:
        if self._safe_path is None or root != self._root:
            if self._safe_path:
                self._safe_path.__exit__()
            self._safe_path, self._root = SafePath(root), root
        return self._safe_path


def _missing_error(root: str) -> LedgerError:
    return LedgerError(
        f"{display_path(root, '')} is listed in `files` but does not exist.", hint=_MISSING_HINT
    )


@contextmanager
def translated(root: str, path: str) -> Iterator[None]:
    """Raise OSErrors as LedgerErrors that name the path; FileChanged if it has just gone."""
    try:
        yield
    except OSError as error:
        where = display_path(root, path)
        if path and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE):
            raise FileChanged(where) from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise _missing_error(root) from None
        raise LedgerError(f"{where} could not be read: {error.strerror}.", hint=_READ_HINT) from None
