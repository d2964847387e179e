"""A backup store in a folder of this machine: on a disk, on a mount, or in a folder that iCloud syncs."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ledgerflow_ops.adapters.storage import folder as folders
from ledgerflow_ops.adapters.storage.cloud_placeholders import is_dataless, is_placeholder, own_name
from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.storage.pace import Pace
from ledgerflow_ops.adapters.storage.store import LARGEST_RECORD, BackupStore, decoded_copy
from ledgerflow_ops.adapters.storage.stored_file import FileStat, Listing, NewFile, StoredReader
from ledgerflow_ops.adapters.system import disk_space, regular_files
from ledgerflow_ops.adapters.system.disk_space import DiskSpace
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.naming import PARTIAL
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.hints import Hint, command

_OTHERS = 0o077
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_BLOCK = 512
"""Bytes in a unit of st_blocks, independent of the file system's block size (Linux: stat(2))."""


@dataclass(frozen=True, slots=True)
class LocalStore(BackupStore):
    """The store in the folder `path`. The names in the store are the names of the files."""

    path: Path
    rate: int | None = field(default=None, compare=False)
    """Bytes per second that are written at most."""

    @property
    def folder(self) -> Folder:
        """The folder, for operations that only a folder has."""
        return Folder(self.path)

    @property
    def location(self) -> str:
        return str(self.path)

    @property
    def home(self) -> str:
        return str(self.path.parent)

    def describe(self, name: str) -> str:
        return str(self.path / name)

    def reachable(self) -> bool:
        return self.path.parent.is_dir()

    def exists(self) -> bool:
        return self.path.exists()

    def writable(self) -> bool:
        return folders.is_writable(self.path)

    def prepare(self) -> None:
        self.folder.prepare()

    def exposed(self) -> list[str]:
        with translated(self.path):
            return folders.exposed_parents(self.path)

    def space(self) -> DiskSpace:
        return disk_space.read_disk_space(self.path)

    def section(self, name: str) -> "LocalStore":
        return LocalStore(self.path / name, self.rate)

    def root(self) -> Path:
        return self.path

    def listing(self) -> Listing:
        our_uid, files, placeholders = os.geteuid(), dict[str, FileStat](), set[str]()
        with translated(self.path):
            try:
                with os.scandir(self.path) as entries:
                    for entry in entries:
                        if is_placeholder(entry.name):
                            placeholders.add(own_name(entry.name))
                        elif facts := _entry_stat(entry, our_uid):
                            files[entry.name] = facts
                shared = ("the folder itself",) if self.path.stat().st_mode & _OTHERS else ()
            except (FileNotFoundError, NotADirectoryError):
                return Listing(exists=False)
        for name in placeholders:
            files[name] = files[name]._replace(evicted=True) if name in files else _evicted_stat(name)
        return Listing(files, shared=shared)

    def names(self, *endings: str, hidden: bool = False) -> list[str]:
        if not hidden:
            return sorted({name for ending in endings for name in self.folder.names(ending)})
        if not self.path.is_dir():
            return []
        with translated(self.path):
            names = [file.name for file in self.path.iterdir()]
        return sorted(name for name in names if name.startswith(".") and name.endswith(endings))

    def stat(self, name: str) -> FileStat | None:
        folder = self.folder
        with translated(self.path):
            try:
                evicted = os.path.lexists(folder.placeholder(name))
                facts = folder.file(name).lstat()
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno not in _NOT_THERE:
                    raise
                return _evicted_stat(name) if evicted else None
        result = _stat(name, facts, os.geteuid(), "")
        return result._replace(evicted=True) if evicted else result

    def privacy(self, name: str) -> Check:
        return folders.check_permissions(self.folder, name)

    def name_of(self, text: str) -> str | None:
        path = Path(text).expanduser()
        elsewhere = len(path.parts) > 1 and path.parent.resolve() != self.path.resolve()
        return None if elsewhere else path.name

    def how_to_fetch(self, name: str) -> Hint:
        fetch = command("brctl", "download", self.path / name)
        return Hint("Download it (macOS: ", fetch, "); then run it again.")

    def open(self, name: str, codec: Codec = PLAIN) -> StoredReader:
        path = self.path / name
        return StoredReader(regular_files.open_regular(path), str(path), codec)

    def local_path(
        self, name: str, codec: Codec = PLAIN, scratch: Path | None = None
    ) -> AbstractContextManager[Path]:
        if codec.is_plain:
            return nullcontext(self.path / name)
        if scratch is None:
            raise ValueError(f"{name} is stored encoded: decoding it needs a scratch folder")
        return decoded_copy(lambda: self.open(name, codec), scratch / name)

    def read(self, name: str, largest: int = LARGEST_RECORD) -> bytes:
        return regular_files.read_file(self.path / name, largest)

    def _tail(self, name: str, count: int) -> bytes:
        return regular_files.read_tail(self.path / name, count)

    @contextmanager
    def create(self, name: str, codec: Codec = PLAIN) -> Iterator[NewFile]:
        folder = self.folder
        with folder.partial(name) as raw:
            file = _LocalFile(folder, name, raw, codec, Pace(self.rate))
            try:
                yield file
            finally:
                file.abandon()
        if not file.committed:
            folder.remove(name + PARTIAL)

    def replace(self, name: str, data: bytes) -> None:
        self.folder.replace(name, data)

    def delete(self, name: str) -> None:
        if self.taken(name):
            self.folder.discard(name)

    def move(self, name: str, other: BackupStore, as_name: str) -> None:
        assert isinstance(other, LocalStore), "a section of a folder is a folder"
        self.folder.move(name, other.folder, as_name)

    def leftovers(self) -> list[str]:
        return self.folder.half_written()

    def sweep(self) -> list[str]:
        return self.folder.sweep()


class _LocalFile(NewFile):
    """A `.partial` file that `commit` renames."""

    def __init__(self, folder: Folder, name: str, raw: IO[bytes], codec: Codec, pace: Pace) -> None:
        self._folder, self._raw, self._pace = folder, raw, pace
        super().__init__(name, codec)

    def stat(self) -> FileStat | None:
        return LocalStore(self._folder.path).stat(self.name if self.committed else self.name + PARTIAL)

    def open(self) -> StoredReader:
        self.end()
        path = self._folder.file(self.name + PARTIAL)
        return StoredReader(regular_files.open_regular(path), str(path), self._codec)

    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        self.end()
        if self._codec.is_plain:
            return nullcontext(self._folder.file(self.name + PARTIAL))
        if scratch is None:
            raise ValueError(f"{self.name} is encoded: decoding it needs a scratch folder")
        return decoded_copy(self.open, scratch / self.name)

    def _append(self, data: bytes) -> None:
        self._pace.take(len(data))
        self._raw.write(data)

    def _sync(self) -> None:
        self._folder.sync(self._raw)

    def _commit(self) -> None:
        self._folder.commit(self.name)


def _entry_stat(entry: "os.DirEntry[str]", our_uid: int) -> FileStat | None:
    """The facts of a file in the folder; None if it was removed meanwhile."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return _stat(entry.name, facts, our_uid, _link_version(entry) if stat.S_ISLNK(facts.st_mode) else "")


def _link_version(entry: "os.DirEntry[str]") -> str:
    """The target of a link, as text that changes whenever the target does."""
    try:
        target = entry.stat()
    except OSError:
        return "nothing"
    return str((target.st_ino, target.st_size, target.st_blocks, target.st_mtime_ns, target.st_ctime_ns))


def _stat(name: str, facts: os.stat_result, our_uid: int, target: str) -> FileStat:
    mode, is_link = facts.st_mode, stat.S_ISLNK(facts.st_mode)
    return FileStat(
        name,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
        facts.st_ino,
        regular_files.irregular_kind(facts),
        is_dataless(facts),
        True,
        facts.st_blocks * _BLOCK,
        facts.st_uid == our_uid and (is_link or not mode & _OTHERS),
        f"{mode} {target}" if target else mode,
    )


def _evicted_stat(name: str) -> FileStat:
    """The facts of a file for which there is only a placeholder."""
    return FileStat(name, 0, evicted=True, here=False)
