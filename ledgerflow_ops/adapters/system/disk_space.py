"""Reads the size and free space of file systems."""

import os
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """A file system, by its device number: bytes and inodes, total and available to us.

    `files` is 0 if the file system has no fixed number of inodes.
    """

    number: int
    size: int
    free: int
    files: int
    free_files: int


def read_disk_space(path: Path) -> DiskSpace:
    """The file system of `path`, or of its nearest existing parent; LedgerError if we may not read it."""
    with translated(path):
        existing = next(part for part in (path, *path.parents) if part.exists())
        facts = os.statvfs(existing)
        return DiskSpace(
            number=existing.stat().st_dev,
            size=facts.f_blocks * facts.f_frsize,
            free=facts.f_bavail * facts.f_frsize,
            files=facts.f_files,
            free_files=facts.f_favail,
        )
