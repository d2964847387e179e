"""The contract of a place that holds an environment's backups; decision 34 says what it does not promise.

A store is a flat set of named files. A file comes into it whole or not at all, under a name that nothing has,
and is never changed afterwards; only records of ours (`replace`) may take the place of their older version.
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
from ledgerflow_ops.adapters.system.disk_space import Space
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.naming import MAGIC
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.sealed_records import TAIL_SIZE, ends_sealed

LARGEST_RECORD = 512 * 1024 * 1024
"""Bytes of the largest record that is read. The manifest of a million files takes half of it."""
_AT_ONCE = 1024 * 1024

Progress = Callable[[int], object]
"""Is given the number of bytes done so far."""


class BackupStore(ABC):
    """Where an environment's backups lie. Equal stores are the same place, and can be the key of a cache.

    Every method raises LedgerError where the store cannot be asked just now: that says nothing of the
    backups in it. One process at a time writes (the environment's lock); any number read meanwhile.
    """

    # -- the place ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def location(self) -> str:
        """Where it is, for people, records and caches: a path, a URL without credentials."""

    @property
    @abstractmethod
    def home(self) -> str:
        """What it lies in, which may hold other environments' stores too; likewise."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """Where a file of it is, for people."""

    @abstractmethod
    def reachable(self) -> bool:
        """Whether what it lies in is there: a disk that is not mounted is not."""

    @abstractmethod
    def there(self) -> bool:
        """Whether it has been made."""

    @abstractmethod
    def writable(self) -> bool:
        """Whether we may write into it, or into what it would be made in. It may be read-only on purpose."""

    @abstractmethod
    def prepare(self) -> None:
        """Make it ready for us, and nobody else, to write; Refused where it is not ours, or a link."""

    @abstractmethod
    def exposed(self) -> list[str]:
        """What others may do to the place as a whole, a sentence each."""

    @abstractmethod
    def space(self) -> Space | None:
        """What it has room for; None where that has no meaning."""

    def free(self) -> int | None:
        """Bytes that still fit; None where that has no meaning."""
        space = self.space()
        return space.free if space else None

    @abstractmethod
    def section(self, name: str) -> "BackupStore":
        """A store of its own within this one, which does not list it. Files can be moved between the two."""

    @abstractmethod
    def root(self) -> Path | None:
        """The folder on this machine that it is; None where there is none."""

    # -- what lies in it ----------------------------------------------------------------------------------

    @abstractmethod
    def listing(self) -> Listing:
        """All files with their facts. One that is committed or deleted meanwhile may be in it or not; every
        other one is."""

    @abstractmethod
    def names(self, *endings: str, hidden: bool = False) -> list[str]:
        """The files that end so, sorted, evicted ones too; `hidden`: those that begin with a dot instead."""

    @abstractmethod
    def stat(self, name: str) -> FileStat | None:
        """What goes by this name; None when nothing does, not even what a cloud has left in its place."""

    @abstractmethod
    def privacy(self, name: str) -> Check:
        """Whether only we can read the file, and nobody else can swap it for another."""

    @abstractmethod
    def name_of(self, text: str) -> str | None:
        """The name of the file that `text`, a bare name or a path, names; None where it leads elsewhere."""

    @abstractmethod
    def how_to_fetch(self, name: str) -> Hint:
        """How an evicted file's bytes are brought back."""

    def taken(self, name: str) -> bool:
        """Whether anything, a broken link or an evicted file among it, goes by this name."""
        return self.stat(name) is not None

    def evicted(self, name: str) -> bool:
        """Whether the file's bytes are only in a cloud."""
        found = self.stat(name)
        return found is not None and found.evicted

    def version(self, name: str) -> Version | None:
        """What changes whenever what goes by this name does; None when nothing does."""
        found = self.stat(name)
        return found.version if found else None

    def size(self, name: str) -> int | None:
        """The stored length of a regular file; None when there is none."""
        found = self.stat(name)
        return found.size if found and found.here and not found.kind else None

    def what(self, name: str) -> str:
        """In words, what goes by this name where that is no regular file; else empty."""
        found = self.stat(name)
        return found.kind if found else ""

    def hollow(self, name: str) -> bool:
        """Whether a file has a size, no bytes on the disk, and does not begin as an archive of pg_dump does.

        Such a file is what a crash leaves of one whose blocks were still to be allocated.
        """
        found = self.stat(name)
        if found is None or not found.here or found.kind or not found.size or found.allocated != 0:
            return False
        return self.head(name, len(MAGIC)) != MAGIC

    # -- reading ------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self, name: str, codec: Codec = PLAIN) -> StoredReader:
        """A file's bytes from the first to the last. BadBackup where the name is another thing's (a link is
        not followed, a pipe not waited for), LedgerError when it cannot be opened."""

    @abstractmethod
    def local_path(
        self, name: str, codec: Codec = PLAIN, scratch: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A path for a program that reads a file by itself, during the block. It is not to be written to.

        The store's own file where there is one and the codec is plain. Else a private copy in the folder
        `scratch`, all of it decoded and shown to be right before the block begins, removed after it.
        """

    def head(self, name: str, count: int, codec: Codec = PLAIN) -> bytes:
        """The first plain bytes of a file, `count` unless it is shorter; not shown to be right."""
        with self.open(name, codec) as file:
            return file.read(count)

    def content(self, name: str, moved: Progress = lambda done: None) -> Content:
        """Length and SHA-256 of the stored bytes, read now from the first to the last."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                moved(size)
        return size, digest.hexdigest()

    def read(self, name: str, largest: int = LARGEST_RECORD) -> bytes:
        """All that is in a file. BadBackup where the name is another thing's, or it has more bytes than
        `largest`: then little is read."""
        size = self.size(name) or 0
        parts, left = [], largest + 1
        with self.open(name) as file:
            while size <= largest and left and (part := file.read(min(left, 16 * CHUNK))):
                parts.append(part)
                left -= len(part)
        if size > largest or not left:
            raise BadBackup(
                f"{name} has {max(size, largest + 1):,} bytes: a record has at most {largest:,}.",
                hint=Hint(
                    f"It was not written by us. Look what it is, and move it away: {self.describe(name)}"
                ),
            )
        return b"".join(parts)

    def record(self, name: str) -> bytes:
        """The bytes of a record that ends with its digest: as `read`, but nothing large without it."""
        size = self.size(name)
        if size is not None and size > _AT_ONCE and not ends_sealed(self._tail(name, TAIL_SIZE)):
            raise BadBackup(
                f"{name}: it was changed or cut: {size:,} bytes, and no digest at their end.",
                hint=Hint("Take it from another location; do not edit it."),
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
        """A new file for the block, which commits it. LedgerError where another writer has begun one of this
        name. Ended in any other way, the block leaves nothing; a killed process leaves what `sweep` removes.
        """

    def put(self, name: str, data: bytes) -> None:
        """Write a whole small file durably. Refused where its name is taken."""
        with self.create(name) as file:
            file.write(data)
            file.commit()

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Write a whole small record durably, in the place of an older one; at no instant is there neither.

        Needs no lock: of two that replace one record, one is the last.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file durably, or what a cloud has left in its place; nothing when there is neither."""

    @abstractmethod
    def move(self, name: str, other: "BackupStore", as_name: str) -> None:
        """Take a file over into another section, durably. Refused where its name there is taken.

        At no instant is it in neither; where a store cannot rename, a crash may leave it in both.
        """

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What unfinished writes have left, or are leaving just now: `sweep` removes it."""

    @abstractmethod
    def sweep(self) -> list[str]:
        """Remove what a crash left half-written, and nothing that is not ours; the names.

        Only under the environment's lock.
        """


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A backup's file in its store, with the codec that gives its plain bytes."""

    store: BackupStore
    name: str
    codec: Codec = PLAIN

    def open(self) -> StoredReader:
        """Its plain bytes."""
        return self.store.open(self.name, self.codec)

    def read(self) -> bytes:
        """All its plain bytes: of a small file."""
        with self.open() as file:
            return b"".join(iter(file.read, b""))

    def head(self, count: int) -> bytes:
        """Its first plain bytes; not shown to be right."""
        return self.store.head(self.name, count, self.codec)

    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        """A path to its plain bytes for a program, during the block; `scratch` as in the store's own."""
        return self.store.local_path(self.name, self.codec, scratch)


def copy(source: StoredReader, into: NewFile, moved: Progress = lambda done: None) -> Content:
    """Write all that `source` gives into a new file and end it; what was stored."""
    done = 0
    while chunk := source.read(CHUNK):
        into.write(chunk)
        done += len(chunk)
        moved(done)
    return into.end()


@contextmanager
def decoded_copy(opened: Callable[[], StoredReader], file: Path) -> Iterator[Path]:
    """For the block, `file`: a private copy of what a reader gives, whole and shown to be right.

    The folder that it is made in must be one that only we can enter, and that may hold plain text.
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
