"""Opens regular files only: records and dumps are opened for reading in no other way.

If a file was replaced by a link, a pipe, a device or a folder, we neither follow it nor wait for it: opening
a pipe without a writer would block for ever.
"""

import os
import stat
from pathlib import Path
from typing import IO, Any

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.core.sealed_records import parse_json

LARGEST = 512 * 1024 * 1024
"""Bytes of the largest record that is read. The manifest of a million files takes half of it."""

_SMALL = 16 * 1024 * 1024

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def irregular_kind(facts: os.stat_result) -> str:
    """What a file is, in words, if it is not a regular file; empty for one. `facts` come from lstat()."""
    return "" if stat.S_ISREG(facts.st_mode) else _KINDS.get(stat.S_IFMT(facts.st_mode), "of an unknown kind")


def open_regular(path: Path) -> IO[bytes]:
    """Open the regular file at `path`, unbuffered. BadBackup if it is not a regular file, LedgerError if it
    cannot be opened, which says nothing about its contents.
    """
    with translated(path):
        _require_regular(path, path.lstat())
        descriptor = os.open(path, _FLAGS)
        try:
            _require_regular(path, os.fstat(descriptor))
            return os.fdopen(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise


def read_file(path: Path, largest: int = LARGEST) -> bytes:
    """All bytes of the regular file at `path`; BadBackup, with little read, for more than `largest` bytes."""
    with translated(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > largest else _read_at_most(file, largest)
    if size > largest or len(data) > largest:
        raise BadBackup(
            f"{path.name} has {max(size, len(data)):,} bytes: a record has at most {largest:,}.",
            hint=Hint(
                "ledgerflow_ops did not write it. Check what it is, and move it elsewhere: ",
                command("ls", "-l", path),
            ),
        )
    return data


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a small state file.

    FileNotFoundError if there is none, ValueError for anything else, or if it cannot be read.
    """
    if not os.path.lexists(path):
        raise FileNotFoundError(path)
    try:
        content = parse_json(read_file(path, _SMALL))
    except LedgerError as error:
        raise ValueError(error.message) from None
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content


def read_text(path: Path) -> str:
    """The text of a small state file; empty if there is none. LedgerError for anything else."""
    if not os.path.lexists(path):
        return ""
    try:
        return read_file(path, _SMALL).decode()
    except (UnicodeDecodeError, BadBackup):
        hint = Hint("Check what it is. It is created again after it was removed: ", command("rm", path))
        raise LedgerError(f"{path} is not a text file of ours.", hint=hint) from None


def read_tail(path: Path, count: int) -> bytes:
    """The last `count` bytes of the regular file at `path`."""
    with translated(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), count, max(0, size - count))


def _read_at_most(file: IO[bytes], largest: int) -> bytes:
    """The bytes of a file, which may be growing, up to one more than `largest`."""
    parts, remaining = [], largest + 1
    while remaining and (part := file.read(min(remaining, 16 * 1024 * 1024))):
        parts.append(part)
        remaining -= len(part)
    return b"".join(parts)


def _require_regular(path: Path, facts: os.stat_result) -> None:
    if kind := irregular_kind(facts):
        raise BadBackup(
            f"{path.name} is {kind}, not a regular file.",
            hint=Hint("Replace it by the file itself: ", command("ls", "-l", path)),
        )
