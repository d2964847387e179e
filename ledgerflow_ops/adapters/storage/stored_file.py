"""The files of a store: a file's facts, a file open for reading, a file being written."""

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
from ledgerflow_ops.core.errors import BadBackup

CHUNK = 1024 * 1024
"""Bytes that are read or copied in one step."""

Version = tuple[int, ...]
"""Differs whenever the file of a name was changed or replaced. Only equality has a meaning."""
Content = tuple[int, str]
"""Length in bytes and SHA-256 (hexadecimal) of stored bytes."""


class FileStat(NamedTuple):
    """What a store reports about a file without reading it."""

    name: str
    size: int
    """Stored bytes. Valid only with `here`; for anything but a regular file, whatever the store reports."""
    modified_ns: int = 0
    """When its bytes were changed last: nanoseconds since 1970 (UTC), by the store's clock."""
    changed_ns: int = 0
    """When its bytes or attributes were changed last, likewise."""
    identity: int = 0
    """A number that stays the same from a file's creation through `commit`, and that differs for a
    replacement: an inode, or a hash of what the store changes with every write."""
    kind: str = ""
    """What it is if it is not a regular file (`a symbolic link`); empty for a regular file."""
    evicted: bool = False
    """Whether some of its bytes are only in a cloud: reading it would download them."""
    here: bool = True
    """Whether the file itself is there, and not only a cloud placeholder for it."""
    allocated: int | None = None
    """Bytes allocated on the disk; None if the store does not report it."""
    private: bool = True
    """Whether it belongs to us and nobody else may read or change it."""
    attributes: object = ""
    """Anything else that must be equal for the same version."""

    @property
    def version(self) -> Version | None:
        """None while only the cloud has the file."""
        return (self.identity, self.size, self.modified_ns, self.changed_ns) if self.here else None

    @property
    def mark(self) -> str:
        """All facts as text."""
        if not self.here:
            return f"{self.name} {self.evicted}"
        times = f"{self.identity} {self.size} {self.modified_ns} {self.changed_ns}"
        return f"{self.name} {times} {self.attributes} {self.evicted}"


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a store at one moment. `exists`: whether there is such a store at all."""

    files: Mapping[str, FileStat] = field(default_factory=dict)
    exists: bool = True
    shared: tuple[str, ...] = ()
    """What others may read or change of the store itself, in words."""

    def names(self, *endings: str) -> set[str]:
        """The files with one of these endings, including evicted ones, without hidden ones."""
        return {name for name in self.files if name.endswith(endings) and name[0] != "."}

    def taken(self, name: str) -> bool:
        return name in self.files

    def evicted(self, name: str) -> bool:
        return name in self.files and self.files[name].evicted

    def mark(self, names: Iterable[str]) -> str:
        """A digest that differs whenever one of these files was changed, added or removed."""
        marks = (self.files[name].mark if name in self.files else name for name in names)
        return xxhash.xxh3_128_hexdigest("|".join(marks).encode("utf-8", "surrogateescape"))

    def changed(self, names: Iterable[str]) -> int:
        """When one of these files or its attributes changed last (ns since 1970); 0 for no files."""
        return max((self.files[name].changed_ns for name in names if name in self.files), default=0)


class StoredReader:
    """A file of a store, open for reading from its beginning: a context manager.

    `read` returns plain bytes, and none (the end) only after the codec has verified all of them. LedgerError
    if the store cannot read them now, BadBackup if bytes are missing or altered.
    """

    def __init__(self, raw: IO[bytes], where: str, codec: Codec = PLAIN) -> None:
        self._raw, self._where, self._codec = raw, where, codec
        self._plain: Source = codec.decoder(raw)

    def read(self, size: int = CHUNK) -> bytes:
        """The next plain bytes, at most `size` of them; none at the end."""
        try:
            with translated(self._where):
                return self._plain.read(size)
        except BadBackup as error:  # a codec does not know which file it decodes
            raise BadBackup(f"{self._where}: {error.message}", hint=error.hint) from None

    def descriptor(self) -> IO[bytes] | None:
        """The open file itself, for a program's standard input; None if a program cannot read it directly."""
        try:
            self._raw.fileno()
        except OSError:
            return None
        return self._raw if self._codec.is_plain else None

    def close(self) -> None:
        self._plain.close()
        self._raw.close()

    def __enter__(self) -> "StoredReader":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class NewFile(ABC):
    """A file that is being added to a store: its name is not visible until `commit`.

    Call `write` as often as needed, then `end`, `sync` and `commit`. A file that is not committed when the
    block of `BackupStore.create` ends is removed.
    """

    def __init__(self, name: str, codec: Codec) -> None:
        """A subclass first sets what `_append` needs: an encoder may store a header at once."""
        self.name, self._codec = name, codec
        self._digest, self._size = hashlib.sha256(), 0
        self.ended = self.synced = self.committed = False
        self._encoder = codec.encoder(self._take)

    def write(self, data: bytes) -> int:
        """Write all of the next plain bytes; returns their number."""
        self._encoder.write(data)
        return len(data)

    def end(self) -> Content:
        """Finish the bytes; returns length and SHA-256 as stored. May be called again."""
        if not self.ended:
            self._encoder.close()
            self.ended = True
        return self._size, self._digest.hexdigest()

    def sync(self) -> None:
        """Make the bytes durable: they survive a power cut, though the file has not got its name yet."""
        self.end()
        self._sync()
        self.synced = True

    def commit(self) -> None:
        """Give the file its name, durably and atomically. Refused if the name is taken."""
        if not self.synced:
            self.sync()
        self._commit()
        self.committed = True

    def abandon(self) -> None:
        """Stop encoding; the store removes what was stored."""
        self._encoder.abandon()

    @abstractmethod
    def stat(self) -> FileStat | None:
        """The file's facts now; `commit` changes neither identity nor size. None if a store knows them only
        after `commit`."""

    @abstractmethod
    def open(self) -> StoredReader:
        """The plain bytes of a finished file, read back from the store."""

    @abstractmethod
    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        """A path to the plain bytes of the finished file, as `BackupStore.local_path` for a committed one."""

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
