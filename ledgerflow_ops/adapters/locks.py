"""One operation at a time on an environment, and who holds the lock."""

import contextlib
import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import filelock
import psutil

from ledgerflow_ops.adapters.oserrors import translated
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy


@contextmanager
def exclusive(state_dir: Path, environment: Environment, what: str, now: datetime) -> Iterator[None]:
    """Hold the environment's lock for the block; Busy, saying who holds it since when, if it is taken.

    The lock is the system's own: it is gone the moment its holder dies, however it dies.
    """
    folder = state_dir / "locks"
    note = folder / f"{environment}.holder.json"
    lock = filelock.FileLock(folder / f"{environment}.lock", mode=0o600)
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise Busy(
                f"Another operation is at work on {environment}: {_holder(note)}.",
                hint="Wait until it has ended. Its lock goes with it, even if it is killed.",
            ) from None
    try:
        facts = {"what": what, "pid": os.getpid(), "who": who(), "since": now.isoformat(timespec="seconds")}
        with translated(note):
            note.write_text(json.dumps(facts))
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            note.unlink()
        lock.release()


def _holder(note: Path) -> str:
    try:
        facts = json.loads(note.read_text())
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
        pid = int(json.loads(note.read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _holder(note) if psutil.pid_exists(pid) else None
