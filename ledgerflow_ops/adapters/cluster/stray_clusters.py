"""What drills that died have left outside of their state folder, and servers whose data folder is gone.

A drill's server may have its data in memory, and has its socket in a folder with a short path. Each such
folder holds a mark that names the lock of its drill: whose lock is held is at work, of whatever state folder.
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
"""Where Linux keeps files in memory."""
SOCKETS = Path("/tmp")  # noqa: S108 - made exclusively, mode 0700
PREFIX = "lf-"
_MARK = "drill"
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{8}})")
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Stray:
    """What is left of a drill: its folders, and the process of its server where it runs (else 0).

    A folder that was for a socket alone holds nothing.
    """

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


def mark(folder: Path, lock_file: Path) -> None:
    """Leave in a folder of a drill which lock says that it is at work."""
    (folder / _MARK).write_bytes(os.fsencode(lock_file.absolute()))


def found(account: Account | None) -> list[Stray]:
    """The drills that are not at work any more, of whatever state folder. Folders of ours are looked at."""
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    marked: dict[Path, list[Path]] = {}
    for place in (MEMORY, SOCKETS):
        for folder in _ours(place, owners):
            if lock_file := _marked(folder, folder.name.removeprefix(PREFIX)):
                marked.setdefault(lock_file, []).append(folder)
    for lock_file, folders in marked.items():  # what is not in memory lies beside the lock
        beside = lock_file.with_suffix("")
        if _marked(beside, beside.name) == lock_file:
            folders.append(beside)
    return [
        Stray(lock_file.stem, lock_file, tuple(folders), _server(folders))
        for lock_file, folders in sorted(marked.items())
        if not _held(lock_file)
    ]


def homeless(account: Account | None) -> list[tuple[int, str]]:
    """PostgreSQL servers of our account whose data folder was removed: their processes and that folder."""
    owner, servers = account.uid if account else os.geteuid(), list[tuple[int, str]]()
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            works_in = str(Path(f"/proc/{one.pid}/cwd").readlink())
            leads = one.name() == "postgres" and "-D" in one.cmdline()
            if leads and works_in.endswith(" (deleted)") and one.uids().real == owner:
                servers.append((one.pid, works_in.removesuffix(" (deleted)")))
    return servers


def _ours(place: Path, owners: set[int]) -> Iterator[Path]:
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if _KEY.fullmatch(entry.name):
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode) and facts.st_uid in owners:
                    yield Path(entry.path)


def _marked(folder: Path, key: str) -> Path | None:
    """The lock that the mark in the folder of a drill names; None where nothing there can be that."""
    with suppress(LedgerError):
        lock_file = Path(os.fsdecode(regular_files.read(folder / _MARK, _LONGEST)))
        if lock_file.is_absolute() and lock_file.name == f"{key}.lock" and "\0" not in str(lock_file):
            return lock_file
    return None


def _held(lock_file: Path) -> bool:
    """Whether a drill is at work; also where that cannot be found out."""
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


def _server(folders: list[Path]) -> int:
    """The process of the server whose data is in one of the folders; 0 where none runs there."""
    for folder in folders:
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            if Path(psutil.Process(pid).cwd()) == folder / "data":
                return pid
    return 0
