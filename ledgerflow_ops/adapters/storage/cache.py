"""Files that may be lost at any time: each can be made again from what it was made of."""

import contextlib
import os
import secrets
from pathlib import Path

from ledgerflow_ops.adapters.system import clock, regular_files
from ledgerflow_ops.core.errors import LedgerError

_OLD = 3600.0


def load(file: Path) -> bytes | None:
    """What was saved last; None where there is nothing that can be read."""
    try:
        return regular_files.read(file)
    except LedgerError:
        return None


def save(file: Path, data: bytes) -> bool:
    """Save `data` in one piece, whoever else saves at the same moment; whether that worked.

    Not durable: what a power cut leaves is found to be damaged by its digest.
    """
    half = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
        half.replace(file)
        _sweep(file)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink()
        return False
    return True


def _sweep(file: Path) -> None:
    """Remove what killed processes have left half-written an hour ago."""
    for left in file.parent.glob(f".{file.name}.*"):
        with contextlib.suppress(OSError):
            if clock.now().timestamp() - left.stat().st_mtime > _OLD:
                left.unlink()
