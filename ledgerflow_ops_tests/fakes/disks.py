"""Real small disks that are full, and real folders that cannot be written to."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops_tests import needs

_BLOCK = bytes(64 * 1024)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own at `folder` (a tmpfs), with room for `size` (`40m`)."""
    needs.root()
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "lf-small", folder)
    try:
        yield folder
    finally:
        _run("umount", "--lazy", folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write into `folder`, not even root."""
    with thawing(folder) as freeze:
        freeze()
        yield


@contextmanager
def thawing(folder: Path) -> Iterator[Callable[[], None]]:
    """Yields what makes `folder` read-only; writable again afterwards.

    Root is not kept by a file's mode, so it gets a read-only mount; an ordinary user loses the permission.
    """
    if os.geteuid() != 0:
        mode = folder.stat().st_mode
        try:
            yield lambda: folder.chmod(0o500)
        finally:
            folder.chmod(mode)
        return
    _run("mount", "--bind", folder, folder)
    try:
        yield lambda: _run("mount", "-o", "remount,bind,ro", folder)
    finally:
        _run("umount", "--lazy", folder)


def fill(folder: Path) -> Path:
    """Use up what room there is on the disk of `folder`; the file that holds it."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    size = len(_BLOCK)
    try:
        while size:
            try:
                os.write(descriptor, _BLOCK[:size])
            except OSError:
                size //= 2
    finally:
        os.close(descriptor)
    return filler


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
