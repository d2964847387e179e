"""An environment's backup folder: its files, and how a complete file gets into it, or none.

A new file is written as `.partial`, fsynced and renamed, and then the folder is fsynced. That order survives
a crash: POSIX does not promise that rename alone makes the bytes, or the new name, durable.
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
from ledgerflow_ops.core.hints import Hint, command, joined
from ledgerflow_ops.core.sealed_records import TAIL_SIZE, ends_sealed

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_AT_ONCE = 1024 * 1024
"""Bytes: a larger record is read only if its end looks like a sealed record."""
_SLACK = 86_400.0
"""Seconds: the times of files come from the machine that serves the disk, whose clock or zone may differ."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One environment's folder in a location."""

    path: Path

    def prepare(self) -> None:
        """Make the folder with mode 0700.

        Refused if it is a link, is not a folder or belongs to another user; LedgerError if it is read-only.
        """
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
                    hint=Hint(
                        "Change its owner to the account that makes the backups, or set another backup_root."
                    ),
                )
            if not facts.st_mode & 0o200 or not is_writable(self.path):
                raise LedgerError(
                    f"{self.path} is read-only.",
                    hint=Hint("Mount its disk read-write, or: ", command("chmod", "u+w", self.path)),
                )
            if stat.S_IMODE(facts.st_mode) != _FOLDER_MODE:
                self.path.chmod(_FOLDER_MODE)

    def file(self, name: str) -> Path:
        return self.path / name

    def taken(self, name: str) -> bool:
        """Whether the name is taken by anything, including a broken link or an evicted file."""
        return os.path.lexists(self.file(name)) or os.path.lexists(self.placeholder(name))

    def placeholder(self, name: str) -> Path:
        """The placeholder that iCloud leaves for an evicted file."""
        return self.path / f".{name}.icloud"

    def evicted(self, name: str) -> bool:
        """Whether the file's bytes are only in the cloud: shown by a placeholder or by a flag of macOS."""
        if os.path.lexists(self.placeholder(name)):
            return True
        try:
            facts = self.file(name).lstat()
        except OSError:
            return False
        return is_dataless(facts)

    def names(self, ending: str) -> list[str]:
        """The files whose names end with `ending`, sorted. Evicted files are included, by their own names."""
        if not self.path.is_dir():
            return []
        with translated(self.path):
            names = [own_name(name) if is_placeholder(name) else name for name in self._list_names()]
        return sorted({name for name in names if name.endswith(ending) and not name.startswith(".")})

    def sweep(self) -> list[str]:
        """Remove unfinished files of ours that a crash left; returns their names.

        Call it only under the environment's lock: it would remove a file that is being written.
        """
        with translated(self.path):
            for name in (leftovers := self.half_written()):
                self.file(name).unlink(missing_ok=True)
                self.placeholder(name).unlink(missing_ok=True)
        return leftovers

    def half_written(self) -> list[str]:
        """The files that `sweep` would remove: left by a crash, or being written now."""
        endings = () if self.path.is_symlink() else OURS
        partials = (name for ending in endings for name in self.names(ending + PARTIAL))
        unfinished = [name for name in partials if self.size(name) is not None or self.evicted(name)]
        return unfinished + self.unfinished()

    @contextmanager
    def partial(self, name: str) -> Iterator[IO[bytes]]:
        """A new `.partial` for `name`, created exclusively with mode 0600, and removed if the block fails."""
        path = self.file(name + PARTIAL)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with translated(path):
            descriptor = os.open(path, flags, _FILE_MODE)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as raw, _FullWriter(raw) as file:
                    os.fchmod(descriptor, _FILE_MODE)
                    yield file
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                raise

    def sync(self, file: IO[bytes]) -> None:
        """Make the bytes of an open partial file durable (fsync)."""
        with translated(self.path):
            file.flush()
            os.fsync(file.fileno())

    def commit(self, name: str) -> None:
        """Rename a synced `.partial` to its name, durably. Refused if the name is taken."""
        if self.taken(name):
            hint = Hint("Backups are never overwritten. Choose another name.")
            raise Refused(f"{self.file(name)} exists already.", hint=hint)
        with translated(self.path):
            self.file(name + PARTIAL).rename(self.file(name))
            self.sync_names()

    def replace(self, name: str, data: bytes) -> None:
        """Write a small file durably and atomically, replacing an older one of the same name.

        Needs no lock: the file has a hidden name of this process until it is complete.
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
        """Remove a file durably; does nothing if there is none."""
        with translated(self.path), contextlib.suppress(FileNotFoundError):
            self.file(name).unlink()
            self.sync_names()

    def discard(self, name: str) -> None:
        """Remove a file and its iCloud placeholder durably; does nothing if there is neither."""
        with translated(self.path):
            for path in (self.file(name), self.placeholder(name)):
                path.unlink(missing_ok=True)
            self.sync_names()

    def move(self, name: str, other: "Folder", as_name: str) -> None:
        """Move a file to `as_name` in another folder of the same disk, durably. Refused if it is taken."""
        if other.taken(as_name):
            raise Refused(
                f"{other.file(as_name)} exists already.",
                hint=Hint("Check which of the two files is the right one."),
            )
        with translated(self.path):
            self.file(name).rename(other.file(as_name))
            other.sync_names()
            self.sync_names()

    def size(self, name: str) -> int | None:
        """The length of a regular file in bytes; None if there is no regular file."""
        try:
            facts = self.file(name).lstat()
        except OSError:
            return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def read(self, name: str) -> bytes:
        """All bytes of a file. BadBackup if it is not a regular file or too large, LedgerError if it cannot
        be read now."""
        return regular_files.read_file(self.file(name))

    def record(self, name: str) -> bytes:
        """The bytes of a record that ends with its digest, as `read`; nothing large without one."""
        size = self.size(name)
        large = size is not None and size > _AT_ONCE
        if large and not ends_sealed(regular_files.read_tail(self.file(name), TAIL_SIZE)):
            raise BadBackup(
                f"{name}: it was changed or cut: {size:,} bytes without a digest at the end.",
                hint=Hint("Restore it from another location; do not edit it."),
            )
        return self.read(name)

    def _list_names(self) -> list[str]:
        return [path.name for path in self.path.iterdir()]

    def unfinished(self) -> list[str]:
        """The hidden unfinished files of `replace` whose process is gone; none where the folder is a link."""
        if not self.path.is_dir() or self.path.is_symlink():
            return []
        with translated(self.path):
            unfinished = [
                name for name in self._list_names() if re.fullmatch(r"\..+\.\d{1,9}\.partial", name)
            ]
        return [name for name in unfinished if self._abandoned(name)]

    def _abandoned(self, name: str) -> bool:
        """Whether the process that began the file is gone; its PID may have been reused since."""
        import psutil  # slow to import, and rarely needed

        try:
            begun = self.file(name).lstat().st_mtime
            return psutil.Process(int(name.split(".")[-2])).create_time() > begun + _SLACK
        except psutil.NoSuchProcess:
            return True
        except (OSError, psutil.Error):
            return False

    def sync_names(self) -> None:
        """Make the folder's directory entries durable (fsync)."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _FullWriter:
    """A file whose `write` writes everything: a raw write may write only a part."""

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


def check_permissions(folder: Folder, name: str) -> Check:
    """Check that only we can read the backup and that nobody else can replace it."""
    path = folder.file(name)
    with translated(path):
        facts, parent = path.lstat(), folder.path.lstat()
    problems = []
    if not stat.S_ISREG(facts.st_mode):
        problems.append("is not a regular file")
    elif facts.st_mode & 0o077:
        problems.append(f"has mode {stat.S_IMODE(facts.st_mode):04o}, not 0600")
    if facts.st_uid != os.geteuid():
        problems.append(f"belongs to uid {facts.st_uid}, not to us")
    if stat.S_ISLNK(parent.st_mode) or parent.st_mode & 0o077:
        problems.append(f"lies in a folder of mode {stat.S_IMODE(parent.st_mode):04o}, not 0700")
    if problems:
        hint = Hint(command("chmod", "600", path), "; ", command("chmod", "700", folder.path))
        return failed("permissions", "permissions", f"{name} {', '.join(problems)}.", hint)
    if exposed := exposed_parents(folder.path):
        return warned("permissions", "parents", "; ".join(exposed), tighten(folder.path))
    return passed("permissions", "File 0600, folder 0700, both ours.")


def is_writable(folder: Path) -> bool:
    """Whether we may create files in `folder`, or in its nearest existing parent."""
    return os.access(next(part for part in (folder, *folder.parents) if part.exists()), os.W_OK | os.X_OK)


def exposed_parents(folder: Path) -> list[str]:
    """What others may do to the parents of `folder`, one sentence each: list backups, replace folders."""
    root = folder.resolve().parent
    listed = [f"{root}, the root of all backups, is readable by group or others"] if _readable(root) else []
    return listed + [f"group or others may replace what is in {part}" for part in _replaceable(folder)]


def tighten(folder: Path) -> Hint:
    """The commands after which `exposed_parents` finds nothing."""
    root = folder.resolve().parent
    changes = [("go-rwx", root)] if _readable(root) else []
    changes += [("go-w", part) for part in _replaceable(folder) if ("go-rwx", part) not in changes]
    return joined((Hint(command("chmod", mode, part)) for mode, part in changes), "; ")


def _readable(root: Path) -> bool:
    return bool(root.stat().st_mode & 0o044)


def _replaceable(folder: Path) -> list[Path]:
    """The parents of `folder` in which group or others may rename and replace what is there."""
    modes = {part: part.stat().st_mode for part in folder.resolve().parents}
    return [part for part, mode in modes.items() if mode & 0o022 and not mode & stat.S_ISVTX]
