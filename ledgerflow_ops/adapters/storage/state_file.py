"""A small file that is always whole: read and replaced by one process at a time, also on a full disk."""

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
_PATIENCE = 50.0


@dataclass(frozen=True, slots=True)
class StateFile:
    """The file `name` in `folder`. Some room is set aside for the day on which the disk is full."""

    folder: Path
    name: str

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the file for the block; Busy when somebody else holds it for too long."""
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
        """What is in it; None when there is none. BadBackup where it is no file, or larger than ours are."""
        return regular_files.read(self.path) if os.path.lexists(self.path) else None

    def write(self, data: bytes) -> None:
        """Replace it durably. Where the disk is full, the room that was set aside is given up."""
        reserve = self.folder / f"{self.name}.reserve"
        with translated(self.path):
            for left in self.folder.glob(f".{self.name}.*.partial"):  # by one who was killed
                left.unlink(missing_ok=True)
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
            _fill(reserve)

    def set_aside(self, now: datetime) -> Path:
        """Give a file that cannot be read another name; that name."""
        aside = self.folder / f"{self.name}.damaged-{now:%Y%m%dT%H%M%S%f}"
        with translated(self.path):
            return self.path.rename(aside)


def _fill(reserve: Path) -> None:
    """Set room aside; none where there is none."""
    try:
        descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_RESERVE))  # zeros would take no room on some file systems
    except OSError as error:
        if error.errno != errno.EEXIST:
            reserve.unlink(missing_ok=True)
