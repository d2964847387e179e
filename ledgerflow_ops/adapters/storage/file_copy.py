"""Copies a backup's file from one location into another, told by its digest."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated

_CHUNK = 1 << 20


def bring(folder: Folder, file: Path, accepted: Callable[[int, str], None]) -> None:
    """A copy of `file` in `folder` under its own name: whole, durable, never over another.

    `accepted` is given the length and the SHA-256 of what was read, and raises to have nothing kept.
    LedgerError when one of the two disks says no.
    """
    digest, size = hashlib.sha256(), 0
    with folder.partial(file.name) as copy:
        with translated(file), regular_files.opened(file) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                copy.write(chunk)
        accepted(size, digest.hexdigest())
        folder.sync(copy)
        folder.commit(file.name)
