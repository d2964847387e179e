"""A backup store in memory: nothing but names and bytes, as an object store has it.

It shows that the contract can be kept without folders, paths, renames or room to run out of.
"""

import io
import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.store import BackupStore, decoded_copy
from ledgerflow_ops.adapters.storage.stored_file import FileStat, Listing, NewFile, StoredReader
from ledgerflow_ops.core.checks import Check, passed
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make

_GENERATIONS = itertools.count(1)


@dataclass
class _Shared:
    """What all sections of one store have in common: its objects by their whole keys."""

    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)


class MemoryStore(BackupStore):
    """Objects whose keys begin with a prefix."""

    def __init__(self, prefix: str = "dev/", shared: _Shared | None = None) -> None:
        self._prefix, self._shared = prefix, shared or _Shared()

    @property
    def location(self) -> str:
        return f"memory://{self._prefix.rstrip('/')}"

    @property
    def home(self) -> str:
        return "memory://"

    def describe(self, name: str) -> str:
        return f"memory://{self._prefix}{name}"

    def reachable(self) -> bool:
        return True

    def exists(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def prepare(self) -> None:
        """A prefix is there by itself."""

    def exposed(self) -> list[str]:
        return []

    def space(self) -> None:
        return None

    def section(self, name: str) -> "MemoryStore":
        return MemoryStore(f"{self._prefix}{name}/", self._shared)

    def root(self) -> None:
        return None

    def listing(self) -> Listing:
        with self._shared.lock:
            own = {key.removeprefix(self._prefix): held for key, held in self._shared.objects.items()
                   if key.startswith(self._prefix)}  # fmt: skip
        return Listing({name: _stat(name, *held) for name, held in own.items() if "/" not in name})

    def names(self, *endings: str, hidden: bool = False) -> list[str]:
        found = self.listing().files
        return sorted(name for name in found if name.endswith(endings) and (name[0] == ".") is hidden)

    def stat(self, name: str) -> FileStat | None:
        held = self._shared.objects.get(self._prefix + name)
        return _stat(name, *held) if held else None

    def privacy(self, name: str) -> Check:
        return passed("permissions", "Only this process can read it.")

    def name_of(self, text: str) -> str | None:
        return None if "/" in text else text

    def how_to_fetch(self, name: str) -> Hint:
        return Hint(f"{self.describe(name)} is never away.")

    def open(self, name: str, codec: Codec = PLAIN) -> StoredReader:
        held = self._shared.objects.get(self._prefix + name)
        if held is None:
            raise LedgerError(
                f"{self.describe(name)}: no such object.", hint=Hint(make("status"), " lists the backups.")
            )
        return StoredReader(_Bytes(held[1]), self.describe(name), codec)

    def local_path(
        self, name: str, codec: Codec = PLAIN, scratch: Path | None = None
    ) -> AbstractContextManager[Path]:
        if scratch is None:
            raise ValueError("the copy needs a scratch folder")
        return decoded_copy(lambda: self.open(name, codec), scratch / name)

    @contextmanager
    def create(self, name: str, codec: Codec = PLAIN) -> Iterator[NewFile]:
        key = self._prefix + name
        with self._shared.lock:
            if key in self._shared.begun:
                hint = Hint("Another backup is writing under this name. Try again.")
                raise LedgerError(f"{self.describe(name)} is being written.", hint=hint)
            self._shared.begun.add(key)
        file = _MemoryFile(self, name, codec)
        try:
            yield file
        finally:
            file.abandon()
            self._shared.begun.discard(key)

    def give(self, name: str, data: bytes, *, over: bool) -> None:
        """Put an object, `over` an older one or not at all."""
        with self._shared.lock:
            if not over and self._prefix + name in self._shared.objects:
                hint = Hint("Backups are never overwritten. Choose another name.")
                raise Refused(f"{self.describe(name)} exists already.", hint=hint)
            self._shared.objects[self._prefix + name] = next(_GENERATIONS), data

    def replace(self, name: str, data: bytes) -> None:
        self.give(name, data, over=True)

    def delete(self, name: str) -> None:
        with self._shared.lock:
            self._shared.objects.pop(self._prefix + name, None)

    def move(self, name: str, other: BackupStore, as_name: str) -> None:
        assert isinstance(other, MemoryStore)
        other.give(as_name, self.read(name), over=False)
        self.delete(name)

    def leftovers(self) -> list[str]:
        return []

    def sweep(self) -> list[str]:
        return []


class _MemoryFile(NewFile):
    """Bytes that become an object when they are committed."""

    def __init__(self, store: MemoryStore, name: str, codec: Codec) -> None:
        self._store, self._parts = store, list[bytes]()
        super().__init__(name, codec)

    def stat(self) -> FileStat | None:
        return self._store.stat(self.name) if self.committed else None

    def open(self) -> StoredReader:
        self.end()
        return StoredReader(_Bytes(b"".join(self._parts)), self._store.describe(self.name), self._codec)

    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        if scratch is None:
            raise ValueError("the copy needs a scratch folder")
        return decoded_copy(self.open, scratch / self.name)

    def _append(self, data: bytes) -> None:
        self._parts.append(bytes(data))

    def _sync(self) -> None:
        """Memory is as durable as this store is."""

    def _commit(self) -> None:
        self._store.give(self.name, b"".join(self._parts), over=False)


class _Bytes(io.BytesIO):
    """Bytes that are no open file of the system's."""


def _stat(name: str, generation: int, data: bytes) -> FileStat:
    return FileStat(name, len(data), identity=generation)
