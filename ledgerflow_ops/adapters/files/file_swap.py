"""Carries out the renames of a restore of files, each durable before the next."""

import os
from collections.abc import Iterable
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.restore.file_swap import FileSwap, OccupiedNames, Rename, SwappedRoot


def names_taken(swap: FileSwap, place: SwappedRoot) -> OccupiedNames:
    """Which of a root's names are taken now, by whatever."""
    restoring, before, undone = swap.names(place)
    return OccupiedNames(
        root=os.path.lexists(place.root),
        restoring=os.path.lexists(restoring),
        before=os.path.lexists(before),
        undone=os.path.lexists(undone),
    )


def rename(step: Rename) -> None:
    """Carry out one step, durably. Never over anything that is there."""
    source, target = Path(step.source), Path(step.target)
    with translated(source):
        if os.path.lexists(target):
            raise FileExistsError(17, "it is there already", str(target))
        source.rename(target)
        sync(source.parent)


def sync(folder: Path) -> None:
    """Make what was renamed or made in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def obstacle(root: Path) -> str:
    """Why a root cannot be swapped by renaming; empty when it can."""
    if root.is_symlink():
        return "it is a symbolic link"
    if root.is_mount():
        return "it is a file system of its own (a mount), which cannot be renamed"
    nearest = next(part for part in root.parents if part.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"nothing may be written into {nearest}"
    return ""


def make_parents(paths: Iterable[Path]) -> None:
    """The folders that the roots lie in, where they are not there any more."""
    for path in paths:
        with translated(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
