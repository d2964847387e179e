"""Locks: one operation at a time on an environment, and backups in use.

An operation that reads a backup for long (verify, drill, restore) holds a shared lock on that backup; a
rotation needs an exclusive one. All are flock() locks: the system releases them when their holder dies.
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
"""Seconds between attempts to share a lock: another process may only be testing whether it is free."""


@contextmanager
def environment_lock(state_dir: Path, environment: Environment, what: str, now: datetime) -> Iterator[None]:
    """Hold the environment's lock for the block. Busy, with its holder and since when, if it is taken."""
    with _named_lock(state_dir, str(environment), f"on {environment}", what, now):
        yield


@contextmanager
def location_lock(
    state_dir: Path, environment: Environment, location: str, what: str, now: datetime
) -> Iterator[None]:
    """Hold the lock of the environment's copies in one archive location for the block, as
    `environment_lock`. It is taken by what writes there, so that a slow location delays no backup.
    """
    key = f"{environment}.at.{location}"
    with _named_lock(state_dir, key, f"on {environment}'s copies in {location}", what, now):
        yield


@contextmanager
def _named_lock(state_dir: Path, key: str, where: str, what: str, now: datetime) -> Iterator[None]:
    folder = state_dir / "locks"
    note = folder / f"{key}.holder.json"
    lock = filelock.FileLock(folder / f"{key}.lock", mode=0o600)
    with translated(folder):
        private_files.make_private_folder(state_dir, "locks")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise Busy(
                f"Another operation is at work {where}: {_describe_holder(note)}.",
                hint=Hint("Wait until it has ended. Its lock ends with it, even if it is killed."),
            ) from None
    try:
        with translated(note):
            note.touch(mode=0o600)
            note.write_text(_holder_record(what, now))
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            note.unlink()
        lock.release()


@contextmanager
def hold_backup(
    state_dir: Path, environment: Environment, stem: str, what: str, now: datetime
) -> Iterator[None]:
    """Hold a shared lock on one backup for the block, so that no rotation removes it. Busy if one is doing
    so.

    The lock file has the last user and its operation `what`; with an empty `what` it is not written.
    """
    file = _backup_lock(state_dir, environment, stem)
    with translated(file):
        private_files.make_private_folder(state_dir, "locks", "backups", environment)
        descriptor = _share_lock(file)
    if descriptor is None:
        raise Busy(
            f"{stem} is being removed by a rotation of {environment}.",
            hint=Hint("Choose another backup: ", make("status"), " lists them."),
        )
    try:
        if what:
            with translated(file):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _holder_record(what, now).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_for_removal(state_dir: Path, environment: Environment, stem: str) -> Iterator[None]:
    """Hold an exclusive lock on one backup for the block, to remove it. Busy if it is in use."""
    file = _backup_lock(state_dir, environment, stem)
    with translated(file):
        private_files.make_private_folder(state_dir, "locks", "backups", environment)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            raise Busy(
                f"{stem} is in use: {_describe_holder(file)}.",
                hint=Hint("The next rotation checks it again."),
            )
        yield
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    finally:
        os.close(descriptor)


def backups_in_use(state_dir: Path, environment: Environment) -> dict[str, str]:
    """The backups of an environment that are in use now: stem → user and operation, in words."""
    folder, in_use = state_dir / "locks" / "backups" / environment, dict[str, str]()
    for file in sorted(folder.glob(f"*{_ENDING}")):
        with translated(file), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(file, os.O_RDWR)
            try:
                if not _try_lock(descriptor, fcntl.LOCK_EX):
                    in_use[file.name.removesuffix(_ENDING)] = _describe_holder(file)
            finally:
                os.close(descriptor)
    return in_use


def _backup_lock(state_dir: Path, environment: Environment, stem: str) -> Path:
    return state_dir / "locks" / "backups" / environment / f"{stem}{_ENDING}"


def _share_lock(file: Path) -> int | None:
    """A descriptor with a shared lock on `file`; None if another process holds it exclusively."""
    for pause in (*_PATIENCE, 0):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        # A rotation may just have removed the file: then the lock on this descriptor protects nothing.
        if _try_lock(descriptor, fcntl.LOCK_SH) and _is_same_file(descriptor, file):
            return descriptor
        os.close(descriptor)
        clock.pause(pause)
    return None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same_file(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _holder_record(what: str, now: datetime) -> str:
    facts = {
        "what": what,
        "pid": os.getpid(),
        "who": account_name(),
        "since": now.isoformat(timespec="seconds"),
    }
    return json.dumps(facts)


def _describe_holder(note: Path) -> str:
    try:
        facts = regular_files.read_json(note)
        return f"{facts['what']} by {facts['who']} (process {facts['pid']}) since {facts['since']}"
    except (OSError, ValueError, KeyError):
        return "it began this moment"


def account_name() -> str:
    """The name of the account that we run as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def lock_holder(state_dir: Path, environment: Environment) -> str | None:
    """The operation that runs on the environment now, in words; None without one. Takes no lock."""
    note = state_dir / "locks" / f"{environment}.holder.json"
    try:
        pid = int(regular_files.read_json(note)["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _describe_holder(note) if psutil.pid_exists(pid) else None
