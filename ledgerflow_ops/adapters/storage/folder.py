"""An environment's backup folder: what lies in it, and how a file gets into it whole or not at all.

The order that survives a crash: write `.partial`, fsync it, rename it, fsync the folder. What POSIX
does not promise: that rename alone makes the bytes, or the new name, durable.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ledgerflow_ops.adapters.storage.cloud_placeholders import is_dataless, is_placeholder, own_name
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.naming import OURS, PARTIAL
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.core.sealed_records import TAIL_SIZE, ends_sealed

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
TIGHTEN = Hint("Take that right from group and others: chmod go-rwx the root of all backups, go-w the rest.")
_AT_ONCE = 1024 * 1024
_SLACK = 86_400.0
"""Seconds: the times of files are those of a disk's own machine, whose clock or zone may be another."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One environment's folder in a location."""

    path: Path

    def prepare(self) -> None:
        """Make the folder, private; Refused when it is a link, not a folder or not ours."""
        with translated(self.path):
            self.path.parent.parent.mkdir(parents=True, exist_ok=True)
            self.path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            self.path.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            facts = self.path.lstat()
            if not stat.S_ISDIR(facts.st_mode):
                raise Refused(
                    f"{self.path} is a symbolic link, not a folder.",
                    hint=Hint("Backups go only where the settings say. Set backup_root to the real folder."),
                )
            if facts.st_uid != os.geteuid():
                raise Refused(
                    f"{self.path} belongs to another user (uid {facts.st_uid}).",
                    hint=Hint("Give it to the account that makes the backups, or set another backup_root."),
                )
            if not facts.st_mode & 0o200 or not writable(self.path):
                raise LedgerError(
                    f"{self.path} is read-only.",
                    hint=Hint("Mount its disk for writing, or: ", command("chmod", "u+w", self.path)),
                )
            if stat.S_IMODE(facts.st_mode) != _FOLDER_MODE:
                self.path.chmod(_FOLDER_MODE)

    def file(self, name: str) -> Path:
        return self.path / name

    def taken(self, name: str) -> bool:
        """Whether anything, a broken link or an evicted file among it, goes by this name."""
        return os.path.lexists(self.file(name)) or os.path.lexists(self.placeholder(name))

    def placeholder(self, name: str) -> Path:
        """The file that iCloud leaves in the place of an evicted one."""
        return self.path / f".{name}.icloud"

    def evicted(self, name: str) -> bool:
        """Whether the file's bytes are only in the cloud: a placeholder, or macOS's mark."""
        if os.path.lexists(self.placeholder(name)):
            return True
        try:
            facts = self.file(name).lstat()
        except OSError:
            return False
        return is_dataless(facts)

    def names(self, ending: str) -> list[str]:
        """The files that end so, sorted by name, with evicted ones under their own names."""
        if not self.path.is_dir():
            return []
        with translated(self.path):
            found = [own_name(name) if is_placeholder(name) else name for name in self._listed()]
        return sorted({name for name in found if name.endswith(ending) and not name.startswith(".")})

    def sweep(self) -> list[str]:
        """Remove what a crash left half-written, and nothing that is not ours; the names.

        Only under the environment's lock.
        """
        with translated(self.path):
            for name in (leftovers := self.half_written()):
                self.file(name).unlink(missing_ok=True)
                self.placeholder(name).unlink(missing_ok=True)
        return leftovers

    def half_written(self) -> list[str]:
        """What `sweep` takes away: it was left by a crash, or is being written just now."""
        endings = () if self.path.is_symlink() else OURS
        found = (name for ending in endings for name in self.names(ending + PARTIAL))
        half = [name for name in found if self.size(name) is not None or self.evicted(name)]
        return half + self.unfinished()

    @contextmanager
    def partial(self, name: str) -> Iterator[IO[bytes]]:
        """A new `.partial` for `name`, made exclusively with mode 0600; removed if the block fails."""
        path = self.file(name + PARTIAL)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with translated(path):
            descriptor = os.open(path, flags, _FILE_MODE)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as raw, _Whole(raw) as file:
                    os.fchmod(descriptor, _FILE_MODE)
                    yield file
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                raise

    def sync(self, file: IO[bytes]) -> None:
        """Make the bytes of an open partial durable."""
        with translated(self.path):
            file.flush()
            os.fsync(file.fileno())

    def commit(self, name: str) -> None:
        """Give a synced `.partial` its name, durably. Never over an existing file."""
        if self.taken(name):
            hint = Hint("Backups are never overwritten. Choose another name.")
            raise Refused(f"{self.file(name)} exists already.", hint=hint)
        with translated(self.path):
            self.file(name + PARTIAL).rename(self.file(name))
            self.sync_names()

    def replace(self, name: str, data: bytes) -> None:
        """Write a whole small file durably, in the place of an older one of its name.

        Needs no lock: until then it goes by a hidden name of this process's own.
        """
        unfinished = f".{name}.{os.getpid()}"
        self.remove(unfinished + PARTIAL)
        with self.partial(unfinished) as file:
            file.write(data)
            self.sync(file)
            with translated(self.path):
                self.file(unfinished + PARTIAL).replace(self.file(name))
        with translated(self.path):
            self.sync_names()

    def remove(self, name: str) -> None:
        """Remove a file durably; nothing when there is none."""
        with translated(self.path), contextlib.suppress(FileNotFoundError):
            self.file(name).unlink()
            self.sync_names()

    def discard(self, name: str) -> None:
        """Remove a file durably, or what iCloud has left in its place; nothing when there is neither."""
        with translated(self.path):
            for path in (self.file(name), self.placeholder(name)):
                path.unlink(missing_ok=True)
            self.sync_names()

    def move(self, name: str, other: "Folder", as_name: str) -> None:
        """Give a file another name in another folder of the same disk, durably in both. Never over one."""
        if other.taken(as_name):
            raise Refused(f"{other.file(as_name)} exists already.", hint=Hint("See which of them is right."))
        with translated(self.path):
            self.file(name).rename(other.file(as_name))
            other.sync_names()
            self.sync_names()

    def size(self, name: str) -> int | None:
        """The length of a regular file; None when there is none."""
        try:
            facts = self.file(name).lstat()
        except OSError:
            return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def read(self, name: str) -> bytes:
        """All that is in a file. BadBackup where the name is another thing's, or it is too large,
        LedgerError where it cannot be read now."""
        return regular_files.read(self.file(name))

    def record(self, name: str) -> bytes:
        """The bytes of a record that ends with its digest: as `read`, but nothing large without it."""
        size = self.size(name)
        large = size is not None and size > _AT_ONCE
        if large and not ends_sealed(regular_files.tail(self.file(name), TAIL_SIZE)):
            raise BadBackup(
                f"{name}: it was changed or cut: {size:,} bytes, and no digest at their end.",
                hint=Hint("Take it from another location; do not edit it."),
            )
        return self.read(name)

    def _listed(self) -> list[str]:
        return [path.name for path in self.path.iterdir()]

    def unfinished(self) -> list[str]:
        """The hidden half-written files of `replace` whose process is gone; behind a link, others'."""
        if not self.path.is_dir() or self.path.is_symlink():
            return []
        with translated(self.path):
            found = [name for name in self._listed() if re.fullmatch(r"\..+\.\d{1,9}\.partial", name)]
        return [name for name in found if self._abandoned(name)]

    def _abandoned(self, name: str) -> bool:
        """Whether the process that began the file is gone: its number may be another process's by now."""
        import psutil  # takes long, and is needed once

        try:
            begun = self.file(name).lstat().st_mtime
            return psutil.Process(int(name.split(".")[-2])).create_time() > begun + _SLACK
        except psutil.NoSuchProcess:
            return True
        except (OSError, psutil.Error):
            return False

    def sync_names(self) -> None:
        """Make the folder's names durable."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Whole:
    """A file that writes all it is given: a raw write may take only a part."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw

    def __enter__(self) -> IO[bytes]:
        return self  # type: ignore[return-value]

    def __exit__(self, *details: object) -> None:
        pass

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._raw.write(view) :]
        return len(data)

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return self._raw.fileno()


def permissions(folder: Folder, name: str) -> Check:
    """Whether only we can read the backup, and nobody else can swap it for another."""
    path = folder.file(name)
    with translated(path):
        facts, parent = path.lstat(), folder.path.lstat()
    found = []
    if not stat.S_ISREG(facts.st_mode):
        found.append("is not a regular file")
    elif facts.st_mode & 0o077:
        found.append(f"has mode {stat.S_IMODE(facts.st_mode):04o}, not 0600")
    if facts.st_uid != os.geteuid():
        found.append(f"belongs to uid {facts.st_uid}, not to us")
    if stat.S_ISLNK(parent.st_mode) or parent.st_mode & 0o077:
        found.append(f"lies in a folder of mode {stat.S_IMODE(parent.st_mode):04o}, not 0700")
    if found:
        hint = Hint(command("chmod", "600", path), "; ", command("chmod", "700", folder.path))
        return failed("permissions", "permissions", f"{name} {', '.join(found)}.", hint)
    if exposed := exposed_parents(folder.path):
        return warned("permissions", "parents", "; ".join(exposed), TIGHTEN)
    return passed("permissions", "File 0600, folder 0700, both ours.")


def writable(folder: Path) -> bool:
    """Whether we may make files in `folder`, or in the nearest folder above it that is there."""
    return os.access(next(part for part in (folder, *folder.parents) if part.exists()), os.W_OK | os.X_OK)


def exposed_parents(folder: Path) -> list[str]:
    """What others may do above `folder`, a sentence each: list all backups, or replace a folder."""
    parents = folder.resolve().parents
    found = []
    if parents[0].stat().st_mode & 0o044:
        found.append(f"{parents[0]}, the root of all backups, is readable by group or others")
    for part in parents:
        mode = part.stat().st_mode
        if mode & 0o022 and not mode & stat.S_ISVTX:
            found.append(f"group or others may replace what is in {part}")
    return found
