"""Unnamed files in memory, for programs that open a path: plain text of encrypted backups meets no disk."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def memory_file(data: bytes = b"") -> Iterator[IO[bytes]]:
    """A file in memory with `data`, at its beginning, which a kill leaves nowhere.

    Where the system has no such files (macOS), it is an unlinked file in the folder for temporary ones.
    """
    with os.fdopen(os.memfd_create("ledgerflow"), "r+b", 0) if HAS_MEMORY_FILES else _unlinked() as file:
        file.write(data)
        file.seek(0)
        yield file


@contextmanager
def readable_path(data: bytes) -> Iterator[Path]:
    """A path to `data` for programs that we start as our own account, during the block."""
    if HAS_MEMORY_FILES:
        with memory_file(data) as file:
            yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(data)
        named.flush()
        yield Path(named.name)


HAS_MEMORY_FILES = hasattr(os, "memfd_create")
"""Linux: memfd_create(2)."""


def _unlinked() -> IO[bytes]:
    return tempfile.TemporaryFile()
