"""One operation at a time on an environment, who holds the lock, and which backups are in use.

Whoever reads a backup for long (verify, drill, restore) holds a shared lock of that backup; a rotation
needs it alone. All of them are the system's own: gone the moment their holder dies, however it dies.
"""

import contextlib
import fcntl
import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import filelock
import psutil

from ledgerflow_ops.adapters.system import clock, private_files, regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy
from ledgerflow_ops.core.hints import Hint, make

_ENDING = ".lock"
_PATIENCE = (0.02, 0.1, 0.3, 0.5)
"""Seconds between attempts to share a lock: somebody may only be looking whether it is free."""


@contextmanager
def exclusive(state_dir: Path, environment: Environment, what: str, now: datetime) -> Iterator[None]:
    """Hold the environment's lock for the block; Busy, saying who holds it since when, if it is taken.

    The lock is the system's own: it is gone the moment its holder dies, however it dies.
    """
    folder = state_dir / "locks"
    note = folder / f"{environment}.holder.json"
    lock = filelock.FileLock(folder / f"{environment}.lock", mode=0o600)
    with translated(folder):
        private_files.folder(state_dir, "locks")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise Busy(
                f"Another operation is at work on {environment}: {_holder(note)}.",
                hint=Hint("Wait until it has ended. Its lock goes with it, even if it is killed."),
            ) from None
    try:
        with translated(note):
            note.touch(mode=0o600)
            note.write_text(_facts(what, now))
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            note.unlink()
        lock.release()


@contextmanager
def in_hand(state_dir: Path, environment: Environment, stem: str, what: str, now: datetime) -> Iterator[None]:
    """Use one backup for `what` during the block: no rotation takes it. Busy when one is just doing so.

    Its file says who used it last; with an empty `what` it is not written to.
    """
    file = _backup_lock(state_dir, environment, stem)
    with translated(file):
        private_files.folder(state_dir, "locks", "backups", environment)
        descriptor = _shared(file)
    if descriptor is None:
        raise Busy(
            f"{stem} is just being removed by a rotation of {environment}.",
            hint=Hint("Choose another backup: ", make("status"), " lists them."),
        )
    try:
        if what:
            with translated(file):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _facts(what, now).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone(state_dir: Path, environment: Environment, stem: str) -> Iterator[None]:
    """Have one backup to oneself during the block, to remove it; Busy, saying who uses it, if anyone does."""
    file = _backup_lock(state_dir, environment, stem)
    with translated(file):
        private_files.folder(state_dir, "locks", "backups", environment)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor, fcntl.LOCK_EX):
            raise Busy(
                f"{stem} is in use: {_holder(file)}.", hint=Hint("The next rotation looks at it again.")
            )
        yield
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    finally:
        os.close(descriptor)


def in_use(state_dir: Path, environment: Environment) -> dict[str, str]:
    """The backups of an environment that somebody uses just now, by stem, with who does what with them."""
    folder, found = state_dir / "locks" / "backups" / environment, dict[str, str]()
    for file in sorted(folder.glob(f"*{_ENDING}")):
        with translated(file), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(file, os.O_RDWR)
            try:
                if not _locked(descriptor, fcntl.LOCK_EX):
                    found[file.name.removesuffix(_ENDING)] = _holder(file)
            finally:
                os.close(descriptor)
    return found


def _backup_lock(state_dir: Path, environment: Environment, stem: str) -> Path:
    return state_dir / "locks" / "backups" / environment / f"{stem}{_ENDING}"


def _shared(file: Path) -> int | None:
    """A descriptor that shares the lock of `file`; None when somebody has it alone for long."""
    for pause in (*_PATIENCE, 0):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        # A rotation that has just ended took the name away: then this is the lock of nothing.
        if _locked(descriptor, fcntl.LOCK_SH) and _same(descriptor, file):
            return descriptor
        os.close(descriptor)
        clock.pause(pause)
    return None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _facts(what: str, now: datetime) -> str:
    facts = {"what": what, "pid": os.getpid(), "who": who(), "since": now.isoformat(timespec="seconds")}
    return json.dumps(facts)


def _holder(note: Path) -> str:
    try:
        facts = regular_files.fields(note)
        return f"{facts['what']} by {facts['who']} (process {facts['pid']}) since {facts['since']}"
    except (OSError, ValueError, KeyError):
        return "it began this moment"


def who() -> str:
    """The name of the account we run as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def holder(state_dir: Path, environment: Environment) -> str | None:
    """Who is at work on the environment now, in words; None where nobody is. Takes no lock itself."""
    note = state_dir / "locks" / f"{environment}.holder.json"
    try:
        pid = int(regular_files.fields(note)["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _holder(note) if psutil.pid_exists(pid) else None
