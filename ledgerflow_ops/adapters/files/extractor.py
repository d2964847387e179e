"""Unpacks files into new roots: only those in the manifest, and nothing through a link."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from ledgerflow_ops.adapters.files import tarball
from ledgerflow_ops.adapters.storage.safe_path import SafePath
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, by_member, unquoted

Moved = Callable[[int], object]
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Extractor:
    """Creates the entries of a manifest below new roots. `paths` has the new path of each root, which must
    not exist.

    `durable`: fsync each file and folder.
    """

    def __init__(self, paths: Mapping[str, Path], moved: Moved, *, durable: bool) -> None:
        self._paths, self._moved, self._durable, self._done = paths, moved, durable, 0
        self._safe_paths: dict[str, SafePath] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Extractor":
        with translated(next(iter(self._paths.values()))):
            for root, path in self._paths.items():
                self._safe_paths[root] = self._stack.enter_context(SafePath(str(path)))
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def folders(self, entries: Iterable[FileEntry]) -> None:
        """Create the folders with mode 0700; `finish` sets their final modes."""
        for entry in sorted(_of_kind(FileKind.FOLDER, entries), key=_depth):
            folder, name = self._at(entry)
            with translated(self._path(entry)):
                os.mkdir(name, 0o700, dir_fd=folder)

    def files(self, archive: StoredFile, entries: Iterable[FileEntry], *, allow_others: bool) -> None:
        """Write the files of `entries` from the archive; BadBackup for others unless `allow_others`."""
        by_name = by_member(entries)
        for name, chunks in tarball.read_files(archive):
            if entry := by_name.pop(name, None):
                self._write(entry, chunks)
            elif not allow_others:
                raise tarball.unknown_file_error(archive.name, name)

    def _write(self, entry: FileEntry, chunks: Iterable[bytes]) -> None:
        with translated(self._path(entry)):
            descriptor = self._safe_paths[entry.root].open(unquoted(entry.path), _NEW)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    self._done += len(chunk)
                    self._moved(self._done)
                file.flush()
                self._set_attributes(file.fileno(), entry)

    def links(self, entries: Iterable[FileEntry]) -> None:
        """Create the symbolic links; call it after every file was written."""
        for entry in _of_kind(FileKind.LINK, entries):
            folder, name = self._at(entry)
            with translated(self._path(entry)):
                os.symlink(unquoted(entry.target), name, dir_fd=folder)
                os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
                if os.geteuid() == 0:
                    os.chown(name, *entry.owner, dir_fd=folder, follow_symlinks=False)

    def finish(self, entries: Iterable[FileEntry]) -> None:
        """Set the owners, modes and times of the folders, the innermost first."""
        for entry in sorted(_of_kind(FileKind.FOLDER, entries), key=_depth, reverse=True):
            with translated(self._path(entry)):
                descriptor = self._safe_paths[entry.root].open(
                    unquoted(entry.path), os.O_RDONLY | os.O_DIRECTORY
                )
                try:
                    self._set_attributes(descriptor, entry)
                finally:
                    os.close(descriptor)

    def _set_attributes(self, descriptor: int, entry: FileEntry) -> None:
        """Set owner (as root), mode and time. The owner first, because chown(2) clears the setuid bit."""
        if os.geteuid() == 0:
            os.fchown(descriptor, *entry.owner)
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        if self._durable:
            os.fsync(descriptor)

    def _at(self, entry: FileEntry) -> tuple[int, str]:
        with translated(self._path(entry)):
            return self._safe_paths[entry.root].parent_of(unquoted(entry.path))

    def _path(self, entry: FileEntry) -> Path:
        return self._paths[entry.root] / unquoted(entry.path)


def _of_kind(kind: FileKind, entries: Iterable[FileEntry]) -> list[FileEntry]:
    return [entry for entry in entries if entry.kind is kind]


def _depth(entry: FileEntry) -> int:
    return entry.path.count("/") + 1 if entry.path else 0
