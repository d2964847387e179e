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

import psutil

from ledgerflow_ops.adapters import disks
from ledgerflow_ops.adapters.oserrors import translated
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.naming import DUMP, OURS, PARTIAL

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
TIGHTEN = "Take that right away from group and others: chmod go-rwx the root of all backups, go-w the rest."
_DATALESS = 0x40000000
"""macOS: SF_DATALESS, the flag of a file whose contents are only in the cloud."""

Version = tuple[int, int, int, int]
"""A file's inode, size, and times of last change of contents and of attributes, in nanoseconds."""


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
                    hint="Backups go only where the settings say. Set backup_root to the real folder.",
                )
            if facts.st_uid != os.geteuid():
                raise Refused(
                    f"{self.path} belongs to another user (uid {facts.st_uid}).",
                    hint="Give the folder to the account that makes the backups, or set another backup_root.",
                )
            if not facts.st_mode & 0o200 or not writable(self.path):
                raise LedgerError(
                    f"{self.path} is read-only.",
                    hint=f"Allow its owner to write (chmod u+w {self.path}), or mount its disk for writing.",
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
        """Whether the file's bytes are only in the cloud: a placeholder, or a size without blocks."""
        if self.placeholder(name).exists():
            return True
        try:
            facts = self.file(name).stat()
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

    def dumps(self) -> list[str]:
        return self.names(DUMP)

    def sweep(self) -> list[str]:
        """Remove what a crash left half-written. Only under the environment's lock.

        Returns the names removed. Files that are not ours are not touched.
        """
        leftovers = [name for ending in OURS for name in self.names(ending + PARTIAL)]
        leftovers += [
            name for name in self._replacements() if not psutil.pid_exists(int(name.split(".")[-2]))
        ]
        with translated(self.path):
            for name in leftovers:
                self.file(name).unlink(missing_ok=True)
                self.placeholder(name).unlink(missing_ok=True)
        return leftovers

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
            raise Refused(
                f"{self.file(name)} exists already.",
                hint="Backups are never overwritten. Choose another name.",
            )
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
            self.sync_names()

    def put(self, name: str, data: bytes) -> None:
        """Write a whole small file durably, never over an existing one."""
        with self.partial(name) as file:
            file.write(data)
            self.sync(file)
            self.commit(name)

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
            raise Refused(f"{other.file(as_name)} exists already.", hint="Look which of the two is right.")
        with translated(self.path):
            self.file(name).rename(other.file(as_name))
            other.sync_names()
            self.sync_names()

    def version(self, name: str) -> Version | None:
        """What changes whenever the file does; None when there is none."""
        try:
            facts = self.file(name).stat()
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns

    def size(self, name: str) -> int | None:
        """The length of a regular file; None when there is none."""
        try:
            facts = self.file(name).lstat()
        except OSError:
            return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def read(self, name: str) -> bytes:
        with translated(self.file(name)):
            return self.file(name).read_bytes()

    def free(self) -> int:
        """Bytes free to us on the folder's file system."""
        return disks.space(self.path).free

    def _listed(self) -> list[str]:
        return [path.name for path in self.path.iterdir()]

    def _replacements(self) -> list[str]:
        """The hidden unfinished files of `replace`, whichever process left them."""
        return [name for name in self._listed() if re.fullmatch(r"\..+\.\d+\.partial", name)]

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
        hint = f"chmod 600 {path}; chmod 700 {folder.path}"
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


def is_dataless(facts: os.stat_result) -> bool:
    """Whether a file's bytes are only in the cloud: marked so (macOS), or a size without blocks."""
    marked = bool(getattr(facts, "st_flags", 0) & _DATALESS)
    return marked or (facts.st_size > 0 and facts.st_blocks == 0)


def is_placeholder(name: str) -> bool:
    """Whether iCloud has left this in the place of an evicted file."""
    return name.startswith(".") and name.endswith(".icloud")


def own_name(placeholder: str) -> str:
    """The evicted file's own name."""
    return placeholder.removeprefix(".").removesuffix(".icloud")
