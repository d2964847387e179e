"""Carries out the renames of a restore of files, each made durable before the next."""

import os
from collections.abc import Iterable
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.restore.file_swap import FileSwap, OccupiedNames, Rename, SwappedRoot


def occupied_names(swap: FileSwap, root: SwappedRoot) -> OccupiedNames:
    """Which of the names of a root are taken now, by anything."""
    restoring, before, undone = swap.names(root)
    return OccupiedNames(
        root=os.path.lexists(root.root),
        restoring=os.path.lexists(restoring),
        before=os.path.lexists(before),
        undone=os.path.lexists(undone),
    )


def apply_rename(step: Rename) -> None:
    """Carry out one rename durably; LedgerError if the target exists."""
    source, target = Path(step.source), Path(step.target)
    with translated(source):
        if os.path.lexists(target):
            raise FileExistsError(17, "it exists already", str(target))
        source.rename(target)
        sync_folder(source.parent)


def sync_folder(folder: Path) -> None:
    """Make the renamed or created entries of a folder durable (fsync)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_obstacle(root: Path) -> str:
    """Why a root cannot be swapped by renaming; empty if it can."""
    if root.is_symlink():
        return "it is a symbolic link"
    if root.is_mount():
        return "it is a file system of its own (a mount), which cannot be renamed"
    nearest = next(part for part in root.parents if part.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"we may not write into {nearest}"
    return ""


def make_parents(paths: Iterable[Path]) -> None:
    """Create the missing parents of the roots."""
    for path in paths:
        with translated(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
