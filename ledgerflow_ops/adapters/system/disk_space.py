"""What is free on the file system of a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated


@dataclass(frozen=True, slots=True)
class Space:
    """A file system by the kernel's number: its bytes and files (inodes), in all and free to us.

    `files` is 0 where it counts none.
    """

    number: int
    size: int
    free: int
    files: int
    free_files: int


def space(path: Path) -> Space:
    """Of the file system of `path`, or of the nearest folder above it that is there.

    LedgerError when nobody may look there.
    """
    with translated(path):
        place = next(part for part in (path, *path.parents) if part.exists())
        facts = os.statvfs(place)
        return Space(
            number=place.stat().st_dev,
            size=facts.f_blocks * facts.f_frsize,
            free=facts.f_bavail * facts.f_frsize,
            files=facts.f_files,
            free_files=facts.f_favail,
        )
