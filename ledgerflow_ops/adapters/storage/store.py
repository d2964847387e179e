"""The contract of the store of an environment's backups; decision 34 says what it does not promise.

A store is a flat set of named files. A file is added completely or not at all, under a free name, and is
never changed afterwards. Only our own small records may be replaced (`replace`).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.stored_file import (
    CHUNK,
    Content,
    FileStat,
    Listing,
    NewFile,
    StoredReader,
    Version,
)
from ledgerflow_ops.adapters.system.disk_space import DiskSpace
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.naming import MAGIC
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.sealed_records import TAIL_SIZE, ends_sealed

LARGEST_RECORD = 512 * 1024 * 1024
"""Bytes of the largest record that is read. The manifest of a million files takes half of it."""
_AT_ONCE = 1024 * 1024
"""Bytes: a larger record is read only if its end looks like a sealed record."""

Progress = Callable[[int], object]
"""Receives the number of bytes done so far."""


class BackupStore(ABC):
    """The store of an environment's backups. Equal stores are the same place, and can be the key of a cache.

    Every method raises LedgerError if the store cannot be reached now: that says nothing about the backups
    in it. One process at a time writes (the environment's lock); any number may read meanwhile.
    """

    # -- the place ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the store is, for people, records and caches: a path, or a URL without credentials."""

    @property
    @abstractmethod
    def home(self) -> str:
        """The location that contains the store, and perhaps other environments' stores; likewise."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """Where a file of the store is, for people."""

    @abstractmethod
    def reachable(self) -> bool:
        """Whether the location that contains the store is there: false for a disk that is not mounted."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether the store has been created."""

    @abstractmethod
    def writable(self) -> bool:
        """Whether we may write into the store, or create it. It may be read-only on purpose."""

    @abstractmethod
    def prepare(self) -> None:
        """Create the store or make it private to us; Refused if it belongs to another user or is a link."""

    @abstractmethod
    def exposed(self) -> list[str]:
        """What others may do to the store as a whole, one sentence each."""

    @abstractmethod
    def space(self) -> DiskSpace | None:
        """Size and free space; None if the store has no such limit."""

    def free(self) -> int | None:
        """Free bytes; None if the store has no such limit."""
        space = self.space()
        return space.free if space else None

    @abstractmethod
    def section(self, name: str) -> "BackupStore":
        """A separate store within this one, which does not list it. Files can be moved between the two."""

    @abstractmethod
    def root(self) -> Path | None:
        """The store's folder on this machine; None if it is not a folder."""

    # -- its files ----------------------------------------------------------------------------------------

    @abstractmethod
    def listing(self) -> Listing:
        """All files with their facts. A file that is committed or deleted meanwhile may be missing or listed;
        every other file is listed."""

    @abstractmethod
    def names(self, *endings: str, hidden: bool = False) -> list[str]:
        """The files with one of these endings, sorted, evicted ones included; `hidden`: only dot files."""

    @abstractmethod
    def stat(self, name: str) -> FileStat | None:
        """The facts of a file; None if there is neither the file nor a cloud placeholder."""

    @abstractmethod
    def privacy(self, name: str) -> Check:
        """Check that only we can read the file and that nobody else can replace it."""

    @abstractmethod
    def name_of(self, text: str) -> str | None:
        """The name of the file that `text`, a name or a path, refers to; None if it is not in this store."""

    @abstractmethod
    def how_to_fetch(self, name: str) -> Hint:
        """How to download an evicted file."""

    def taken(self, name: str) -> bool:
        """Whether the name is taken by anything, including a broken link or an evicted file."""
        return self.stat(name) is not None

    def evicted(self, name: str) -> bool:
        """Whether the file's bytes are only in a cloud."""
        stat = self.stat(name)
        return stat is not None and stat.evicted

    def version(self, name: str) -> Version | None:
        """What changes whenever what goes by this name does; None when nothing does."""
        stat = self.stat(name)
        return stat.version if stat else None

    def size(self, name: str) -> int | None:
        """The stored length of a regular file in bytes; None if there is no regular file."""
        stat = self.stat(name)
        return stat.size if stat and stat.here and not stat.kind else None

    def irregular_kind(self, name: str) -> str:
        """What the file of this name is, in words, if it is not a regular file; else empty."""
        stat = self.stat(name)
        return stat.kind if stat else ""

    def is_unwritten(self, name: str) -> bool:
        """Whether a file has a size but no allocated blocks, and does not begin as an archive of pg_dump
        does.

        A crash leaves such a file if its blocks had not been allocated yet.
        """
        stat = self.stat(name)
        if stat is None or not stat.here or stat.kind or not stat.size or stat.allocated != 0:
            return False
        return self.head(name, len(MAGIC)) != MAGIC

    # -- reading ------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self, name: str, codec: Codec = PLAIN) -> StoredReader:
        """Open a file for reading. BadBackup if it is not a regular file (a link is not followed, a pipe is
        not waited for), LedgerError if it cannot be opened."""

    @abstractmethod
    def local_path(
        self, name: str, codec: Codec = PLAIN, scratch: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A read-only path for a program that opens the file itself, valid during the block.

        It is the stored file itself if there is one and the codec is plain. Otherwise it is a private copy in
        the folder `scratch`, completely decoded and verified before the block begins, and removed after it.
        """

    def head(self, name: str, count: int, codec: Codec = PLAIN) -> bytes:
        """The first plain bytes of a file, at most `count`; they are not verified."""
        with self.open(name, codec) as file:
            return file.read(count)

    def content(self, name: str, moved: Progress = lambda count: None) -> Content:
        """Length and SHA-256 of the stored bytes, which are all read now."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                moved(size)
        return size, digest.hexdigest()

    def read(self, name: str, largest: int = LARGEST_RECORD) -> bytes:
        """All bytes of a file. BadBackup if it is not a regular file, or has more than `largest` bytes: then
        little of it is read."""
        size = self.size(name) or 0
        parts, remaining = [], largest + 1
        with self.open(name) as file:
            while size <= largest and remaining and (part := file.read(min(remaining, 16 * CHUNK))):
                parts.append(part)
                remaining -= len(part)
        if size > largest or not remaining:
            raise BadBackup(
                f"{name} has {max(size, largest + 1):,} bytes: a record has at most {largest:,}.",
                hint=Hint(
                    "ledgerflow_ops did not write it. Check what it is, and move it elsewhere: "
                    f"{self.describe(name)}"
                ),
            )
        return b"".join(parts)

    def record(self, name: str) -> bytes:
        """The bytes of a record that ends with its digest, as `read`; nothing large without one."""
        size = self.size(name)
        if size is not None and size > _AT_ONCE and not ends_sealed(self._tail(name, TAIL_SIZE)):
            raise BadBackup(
                f"{name}: it was changed or cut: {size:,} bytes without a digest at the end.",
                hint=Hint("Restore it from another location; do not edit it."),
            )
        return self.read(name)

    def _tail(self, name: str, count: int) -> bytes:
        """The last stored bytes of a file."""
        last = b""
        with self.open(name) as file:
            while chunk := file.read(CHUNK):
                last = (last + chunk)[-count:]
        return last

    # -- writing ------------------------------------------------------------------------------------------

    @abstractmethod
    def create(self, name: str, codec: Codec = PLAIN) -> AbstractContextManager[NewFile]:
        """A new file, which the block commits. LedgerError if another writer has begun a file of this name. A
        block that ends without `commit` leaves nothing; a killed process leaves a file that `sweep` removes.
        """

    def put(self, name: str, data: bytes) -> None:
        """Write a complete small file durably. Refused if its name is taken."""
        with self.create(name) as file:
            file.write(data)
            file.commit()

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Write a small record durably and atomically, replacing an older one.

        Needs no lock: if two processes replace the record, the last one wins.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file and its cloud placeholder durably; does nothing if there is neither."""

    @abstractmethod
    def move(self, name: str, other: "BackupStore", as_name: str) -> None:
        """Move a file into another section, durably. Refused if its name there is taken.

        It is always in at least one of the two; if a store cannot rename, a crash may leave it in both.
        """

    @abstractmethod
    def leftovers(self) -> list[str]:
        """The files of unfinished writes, including writes in progress: `sweep` removes them."""

    @abstractmethod
    def sweep(self) -> list[str]:
        """Remove unfinished files of ours that a crash left; returns their names.

        Call it only under the environment's lock.
        """


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A backup's file in its store, with the codec that gives its plain bytes."""

    store: BackupStore
    name: str
    codec: Codec = PLAIN

    @property
    def is_program_readable(self) -> bool:
        """Whether it is a file of this machine with plain bytes, which a program can open itself."""
        return self.codec.is_plain and self.store.root() is not None

    def open(self) -> StoredReader:
        """Open its plain bytes for reading."""
        return self.store.open(self.name, self.codec)

    def read(self) -> bytes:
        """All its plain bytes, for a small file."""
        with self.open() as file:
            return b"".join(iter(file.read, b""))

    def read_through(self, moved: Callable[[int, int | None], object]) -> None:
        """Read it to its end, which is verified; its bytes are dropped. `moved` receives done and total."""
        done = 0
        with self.open() as file:
            while chunk := file.read(CHUNK):
                done += len(chunk)
                moved(done, None)

    def head(self, count: int) -> bytes:
        """Its first plain bytes; they are not verified."""
        return self.store.head(self.name, count, self.codec)

    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        """A path to its plain bytes for a program, during the block, as `BackupStore.local_path`."""
        return self.store.local_path(self.name, self.codec, scratch)


def copy(source: StoredReader, target: NewFile, moved: Progress = lambda done: None) -> Content:
    """Copy all bytes of `source` into a new file and finish it; returns length and SHA-256 as stored."""
    done = 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        done += len(chunk)
        moved(done)
    return target.end()


@contextmanager
def decoded_copy(opened: Callable[[], StoredReader], file: Path) -> Iterator[Path]:
    """Copy the bytes of a reader to `file`, complete and verified, and remove it after the block.

    Its folder must be accessible to us alone, and must be allowed to hold plain text.
    """
    with translated(file):
        copied = file.open("xb")
    try:
        with translated(file), copied, opened() as source:
            file.chmod(0o600)
            while chunk := source.read(CHUNK):
                copied.write(chunk)
        yield file
    finally:
        file.unlink(missing_ok=True)
