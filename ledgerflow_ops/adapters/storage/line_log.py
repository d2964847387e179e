"""A file of lines that only grows, and of which a crash can cut no more than the last line."""

import os
from collections.abc import Sequence
from pathlib import Path

from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated


def read_lines(file: Path) -> list[str]:
    """The complete lines, without their ends; none if there is no file. What follows the last end of a line
    was cut by a crash and is left out. LedgerError if the file cannot be read."""
    if not os.path.lexists(file):
        return []
    text = regular_files.read_file(file).decode("utf-8", "replace")
    return text.split("\n")[:-1]


def append_lines(file: Path, lines: Sequence[str]) -> None:
    """Append lines durably. A cut line at the end is removed first. The caller holds a lock."""
    with translated(file):
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _remove_cut_line(descriptor)
            os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_cut_line(descriptor: int) -> None:
    size = end = os.fstat(descriptor).st_size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end != size:
        os.ftruncate(descriptor, end)
