"""Finds the remains of dead drills outside of their state folder, and servers whose data directory is gone.

A drill's server may have its data in memory, and has its socket in a folder with a short path. Each such
folder contains a mark with the path of the drill's lock: the drill is running if that lock is held, whatever
state folder it belongs to.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.core.errors import LedgerError

MEMORY = Path("/dev/shm")  # noqa: S108 - made exclusively, mode 0700
"""The memory file system of Linux (tmpfs)."""
SOCKETS = Path("/tmp")  # noqa: S108 - made exclusively, mode 0700
PREFIX = "lf-"
_MARK = "drill"
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{8}})")
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class StrayCluster:
    """The remains of a dead drill: its folders, and the PID of its server if it still runs (else 0)."""

    key: str
    lock_file: Path
    folders: tuple[Path, ...]
    process: int

    @property
    def holds_data(self) -> bool:
        return self.process > 0 or any(folder.parent != SOCKETS for folder in self.folders)

    @property
    def state_is_gone(self) -> bool:
        return not self.lock_file.parent.is_dir()


def mark_folder(folder: Path, lock_file: Path) -> None:
    """Write into a folder of a drill the path of the lock that the drill holds."""
    (folder / _MARK).write_bytes(os.fsencode(lock_file.absolute()))


def find_stray_clusters(account: Account | None) -> list[StrayCluster]:
    """The remains of drills that do not run any more, of any state folder. Only our own folders are read."""
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    marked: dict[Path, list[Path]] = {}
    for parent in (MEMORY, SOCKETS):
        for folder in _own_folders(parent, owners):
            if lock_file := _marked_lock(folder, folder.name.removeprefix(PREFIX)):
                marked.setdefault(lock_file, []).append(folder)
    for lock_file, folders in marked.items():  # data that is not in memory is beside the lock
        state_folder = lock_file.with_suffix("")
        if _marked_lock(state_folder, state_folder.name) == lock_file:
            folders.append(state_folder)
    return [
        StrayCluster(lock_file.stem, lock_file, tuple(folders), _server_process(folders))
        for lock_file, folders in sorted(marked.items())
        if not _is_held(lock_file)
    ]


def find_servers_without_data(account: Account | None) -> list[tuple[int, str]]:
    """PostgreSQL servers of our account whose data directory was removed: PID and path of the directory."""
    owner, servers = account.uid if account else os.geteuid(), list[tuple[int, str]]()
    for server in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            working_folder = str(Path(f"/proc/{server.pid}/cwd").readlink())
            is_postmaster = server.name() == "postgres" and "-D" in server.cmdline()
            if is_postmaster and working_folder.endswith(" (deleted)") and server.uids().real == owner:
                servers.append((server.pid, working_folder.removesuffix(" (deleted)")))
    return servers


def _own_folders(parent: Path, owners: set[int]) -> Iterator[Path]:
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _KEY.fullmatch(entry.name):
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode) and facts.st_uid in owners:
                    yield Path(entry.path)


def _marked_lock(folder: Path, key: str) -> Path | None:
    """The path of the lock in the mark of a drill's folder; None if there is no valid mark."""
    with suppress(LedgerError):
        lock_file = Path(os.fsdecode(regular_files.read_file(folder / _MARK, _LONGEST)))
        if lock_file.is_absolute() and lock_file.name == f"{key}.lock" and "\0" not in str(lock_file):
            return lock_file
    return None


def _is_held(lock_file: Path) -> bool:
    """Whether the lock is held, which is assumed if that cannot be found out."""
    try:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _server_process(folders: list[Path]) -> int:
    """The PID of the server whose data is in one of the folders; 0 if none runs there."""
    for folder in folders:
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            if Path(psutil.Process(pid).cwd()) == folder / "data":
                return pid
    return 0
