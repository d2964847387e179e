"""The files of a store: what is known of one without reading it, one open for reading, one being written."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import xxhash

from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec, Source
from ledgerflow_ops.adapters.system.os_errors import translated

CHUNK = 1024 * 1024
"""Bytes that are read or copied at once."""

Version = tuple[int, ...]
"""Changes whenever what goes by a name does. Nothing but equality has a meaning."""
Content = tuple[int, str]
"""Length in bytes and SHA-256 (hexadecimal) of stored bytes."""


class FileStat(NamedTuple):
    """What a store says of a file without reading it."""

    name: str
    size: int
    """Stored bytes. Only where `here`; of what is no regular file, whatever the store says."""
    modified_ns: int = 0
    """When its bytes were changed last: nanoseconds since 1970, by the store's own clock."""
    changed_ns: int = 0
    """When its bytes or attributes were changed last, likewise."""
    identity: int = 0
    """A number that a file keeps from its creation through `commit`, and that what replaces it does not have:
    an inode; elsewhere a hash of what the store itself changes with every write."""
    kind: str = ""
    """In words what it is, where it is no regular file (`a symbolic link`); else empty."""
    evicted: bool = False
    """Whether its bytes, or some of them, are only in a cloud: to read it would fetch them."""
    here: bool = True
    """Whether the name itself is there, and not only what a cloud has left in its place."""
    allocated: int | None = None
    """Bytes that it takes on the disk; None where the store does not say."""
    private: bool = True
    """Whether it is ours, and nobody else may read or change it."""
    attributes: object = ""
    """Whatever else makes it another version."""

    @property
    def version(self) -> Version | None:
        """None while only a cloud has it."""
        return (self.identity, self.size, self.modified_ns, self.changed_ns) if self.here else None

    @property
    def mark(self) -> str:
        """All of this as text."""
        if not self.here:
            return f"{self.name} {self.evicted}"
        times = f"{self.identity} {self.size} {self.modified_ns} {self.changed_ns}"
        return f"{self.name} {times} {self.attributes} {self.evicted}"


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a store as one look found them. `there`: whether there is such a store at all."""

    files: Mapping[str, FileStat] = field(default_factory=dict)
    there: bool = True
    shared: tuple[str, ...] = ()
    """In words, what others than us may read or change of the store itself."""

    def names(self, *endings: str) -> set[str]:
        """The files with one of these endings, evicted ones too; hidden ones left out."""
        return {name for name in self.files if name.endswith(endings) and name[0] != "."}

    def taken(self, name: str) -> bool:
        return name in self.files

    def evicted(self, name: str) -> bool:
        return name in self.files and self.files[name].evicted

    def mark(self, names: Iterable[str]) -> str:
        """A digest that is another whenever one of these files is, comes or goes."""
        marks = (self.files[name].mark if name in self.files else name for name in names)
        return xxhash.xxh3_128_hexdigest("|".join(marks).encode("utf-8", "surrogateescape"))

    def changed(self, names: Iterable[str]) -> int:
        """When one of these files was changed last (ns), its attributes among it; 0 where none is there."""
        return max((self.files[name].changed_ns for name in names if name in self.files), default=0)


class StoredReader:
    """A file of a store, open for reading from its beginning: a context manager.

    With a codec, `read` gives plain bytes, and gives none (the end) only once all of them are shown to be
    right. LedgerError where the store cannot give them now, BadBackup where they are cut or altered.
    """

    def __init__(self, raw: IO[bytes], where: str, codec: Codec = PLAIN) -> None:
        self._raw, self._where, self._codec = raw, where, codec
        self._plain: Source = codec.decoder(raw)

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, at most `size` of them; none at the end."""
        with translated(self._where):
            return self._plain.read(size)

    def descriptor(self) -> IO[bytes] | None:
        """The open file itself, for a program's standard input; None where a program cannot read it so."""
        try:
            self._raw.fileno()
        except OSError:
            return None
        return self._raw if self._codec.is_plain else None

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> "StoredReader":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class NewFile(ABC):
    """A file on its way into a store: nobody sees its name until `commit`.

    In this order: `write` as often as needed, `end`, `sync`, `commit`. Whatever of it has not happened when
    its block ends (`BackupStore.create`) leaves nothing behind.
    """

    def __init__(self, name: str, codec: Codec) -> None:
        """What a subclass needs for `_append` it sets before: an encoder may store a header at once."""
        self.name, self._codec = name, codec
        self._digest, self._size = hashlib.sha256(), 0
        self.ended = self.synced = self.committed = False
        self._encoder = codec.encoder(self._take)

    def write(self, data: bytes) -> int:
        """Take all of the next plain bytes."""
        self._encoder.write(data)
        return len(data)

    def end(self) -> Content:
        """End the bytes; length and SHA-256 of what is stored. May be called again."""
        if not self.ended:
            self._encoder.close()
            self.ended = True
        return self._size, self._digest.hexdigest()

    def sync(self) -> None:
        """Make the bytes durable: they survive a power cut, though nothing goes by the name yet."""
        self.end()
        self._sync()
        self.synced = True

    def commit(self) -> None:
        """Give the file its name, durably and at one instant. Refused, nothing done, where it is taken."""
        if not self.synced:
            self.sync()
        self._commit()
        self.committed = True

    def abandon(self) -> None:
        """Give up what encodes it; the store removes what was stored."""
        self._encoder.abandon()

    @abstractmethod
    def stat(self) -> FileStat | None:
        """The file as it is now; `commit` changes neither identity nor size. None where a store learns them
        only then."""

    @abstractmethod
    def open(self) -> StoredReader:
        """The plain bytes of an ended file, read back from the store."""

    @abstractmethod
    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        """A path to the plain bytes of the ended file, as `BackupStore.local_path` gives of one committed."""

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        self._append(data)

    @abstractmethod
    def _append(self, data: bytes) -> None: ...

    @abstractmethod
    def _sync(self) -> None: ...

    @abstractmethod
    def _commit(self) -> None: ...
