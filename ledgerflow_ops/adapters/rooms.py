"""How much room there is on the file system of a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.oserrors import translated


@dataclass(frozen=True, slots=True)
class Left:
    """A file system: bytes in all and free to us; entries free, None where it counts none."""

    size: int
    free: int
    inodes: int | None


def left(folder: Path) -> Left:
    """Of the file system of `folder`, or of the nearest folder above it that is there.

    LedgerError when nobody may look there.
    """
    with translated(folder):
        place = next(part for part in (folder, *folder.parents) if part.exists())
        facts = os.statvfs(place)
    return Left(
        facts.f_blocks * facts.f_frsize,
        facts.f_bavail * facts.f_frsize,
        facts.f_favail if facts.f_files else None,
    )
