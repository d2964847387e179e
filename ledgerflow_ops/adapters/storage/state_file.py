"""A small state file that is replaced atomically, by one process at a time, also on a full disk."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.errors import Busy, LedgerError
from ledgerflow_ops.core.hints import Hint

_RESERVE = 256 * 1024
"""Bytes."""
_PATIENCE = 50.0
"""Seconds to wait for the lock."""


@dataclass(frozen=True, slots=True)
class StateFile:
    """The file `name` in `folder`. A reserve file beside it frees space when the disk is full."""

    folder: Path
    name: str

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file's lock for the block; Busy if another process holds it for longer than 50 s."""
        with translated(self.folder):
            self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / f"{self.name}.lock", mode=0o600, timeout=_PATIENCE)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise Busy(f"{self.path} is held by another process.", hint=Hint("Try again.")) from None
        try:
            yield
        finally:
            lock.release()

    def read(self) -> bytes | None:
        """The bytes of the file; None if there is none. BadBackup if it is too large or not regular."""
        return regular_files.read_file(self.path) if os.path.lexists(self.path) else None

    def write(self, data: bytes) -> None:
        """Replace the file durably. If that fails, remove the reserve file and try again."""
        reserve = self.folder / f"{self.name}.reserve"
        with translated(self.path):
            for unfinished in self.folder.glob(f".{self.name}.*.partial"):  # left by a killed process
                unfinished.unlink(missing_ok=True)
        try:
            Folder(self.folder).replace(self.name, data)
        except LedgerError:
            if not reserve.exists():
                raise
            with translated(reserve):
                reserve.unlink()
            Folder(self.folder).replace(self.name, data)
            return
        if not reserve.exists():
            _make_reserve(reserve)

    def set_aside(self, now: datetime) -> Path:
        """Rename a file that cannot be read, so that it is kept; returns the new path."""
        aside = self.folder / f"{self.name}.damaged-{now:%Y%m%dT%H%M%S%f}"
        with translated(self.path):
            return self.path.rename(aside)


def _make_reserve(reserve: Path) -> None:
    """Create the reserve file; none if the disk has no space for it."""
    try:
        descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_RESERVE))  # some file systems store zeros without allocating space
    except OSError as error:
        if error.errno != errno.EEXIST:
            reserve.unlink(missing_ok=True)
