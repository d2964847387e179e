"""Cache files: each may be lost at any time and can be rebuilt from its sources."""

import contextlib
import os
import secrets
from pathlib import Path

from ledgerflow_ops.adapters.system import clock, regular_files
from ledgerflow_ops.core.errors import LedgerError

_OLD = 3600.0
"""Seconds after which an unfinished file counts as abandoned."""


def load(file: Path) -> bytes | None:
    """The bytes saved last; None if the file is missing or cannot be read."""
    try:
        return regular_files.read_file(file)
    except LedgerError:
        return None


def save(file: Path, data: bytes) -> bool:
    """Save `data` atomically, also when others save at the same moment; False if the system refused.

    Not durable: after a power cut, the digest in the file shows that it is damaged.
    """
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            output.write(data)
        unfinished.replace(file)
        _sweep(file)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        return False
    return True


def _sweep(file: Path) -> None:
    """Remove unfinished files that killed processes left more than an hour ago."""
    for unfinished in file.parent.glob(f".{file.name}.*"):
        with contextlib.suppress(OSError):
            if clock.now().timestamp() - unfinished.stat().st_mtime > _OLD:
                unfinished.unlink()
