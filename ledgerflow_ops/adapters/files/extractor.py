"""Unpacks files where they are to be: only what the manifest names, and nothing through a link."""

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
    """Makes the entries of a manifest below new roots. `places` says where each root goes; none is there yet.

    `durable`: whether it must survive a crash.
    """

    def __init__(self, places: Mapping[str, Path], moved: Moved, *, durable: bool) -> None:
        self._places, self._moved, self._durable, self._done = places, moved, durable, 0
        self._ways: dict[str, SafePath] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Extractor":
        with translated(next(iter(self._places.values()))):
            for root, place in self._places.items():
                self._ways[root] = self._stack.enter_context(SafePath(str(place)))
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def folders(self, entries: Iterable[FileEntry]) -> None:
        """Make the folders, for nobody but us until all is in them."""
        for entry in sorted(_of(FileKind.FOLDER, entries), key=_depth):
            folder, name = self._at(entry)
            with translated(self._place(entry)):
                os.mkdir(name, 0o700, dir_fd=folder)

    def files(self, archive: StoredFile, entries: Iterable[FileEntry], *, others: bool) -> None:
        """Write the files that are `entries` out of the archive; BadBackup if it has others and may not."""
        wanted = by_member(entries)
        for name, chunks in tarball.files(archive):
            if entry := wanted.pop(name, None):
                self._write(entry, chunks)
            elif not others:
                raise tarball.unknown(archive.name, name)

    def _write(self, entry: FileEntry, chunks: Iterable[bytes]) -> None:
        with translated(self._place(entry)):
            descriptor = self._ways[entry.root].open(unquoted(entry.path), _NEW)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    self._done += len(chunk)
                    self._moved(self._done)
                file.flush()
                self._dress(file.fileno(), entry)

    def links(self, entries: Iterable[FileEntry]) -> None:
        """Make the symbolic links, once every file is written."""
        for entry in _of(FileKind.LINK, entries):
            folder, name = self._at(entry)
            with translated(self._place(entry)):
                os.symlink(unquoted(entry.target), name, dir_fd=folder)
                os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
                if os.geteuid() == 0:
                    os.chown(name, *entry.owner, dir_fd=folder, follow_symlinks=False)

    def finish(self, entries: Iterable[FileEntry]) -> None:
        """Give the folders their owners, modes and times, the innermost first."""
        for entry in sorted(_of(FileKind.FOLDER, entries), key=_depth, reverse=True):
            with translated(self._place(entry)):
                descriptor = self._ways[entry.root].open(unquoted(entry.path), os.O_RDONLY | os.O_DIRECTORY)
                try:
                    self._dress(descriptor, entry)
                finally:
                    os.close(descriptor)

    def _dress(self, descriptor: int, entry: FileEntry) -> None:
        """Owner (where we may give it), mode, time. The owner first: giving it away takes setuid with it."""
        if os.geteuid() == 0:
            os.fchown(descriptor, *entry.owner)
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        if self._durable:
            os.fsync(descriptor)

    def _at(self, entry: FileEntry) -> tuple[int, str]:
        with translated(self._place(entry)):
            return self._ways[entry.root].to(unquoted(entry.path))

    def _place(self, entry: FileEntry) -> Path:
        return self._places[entry.root] / unquoted(entry.path)


def _of(kind: FileKind, entries: Iterable[FileEntry]) -> list[FileEntry]:
    return [entry for entry in entries if entry.kind is kind]


def _depth(entry: FileEntry) -> int:
    return entry.path.count("/") + 1 if entry.path else 0
