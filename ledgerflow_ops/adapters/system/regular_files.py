"""Opens regular files, and nothing else: the one way in which records and dumps are opened to be read.

Whoever puts a link, a pipe, a device or a folder in the place of a file must neither be followed nor waited
for: a pipe that nobody writes into holds up who opens it for ever.
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


def irregular(facts: os.stat_result) -> str:
    """What it is, in words, where it is no regular file; empty for one. `facts` are of the name itself."""
    return "" if stat.S_ISREG(facts.st_mode) else _KINDS.get(stat.S_IFMT(facts.st_mode), "no file")


def opened(path: Path) -> IO[bytes]:
    """The regular file at `path`, unbuffered. BadBackup where the name is another thing's, LedgerError when
    it cannot be opened: that says nothing of what is in it.
    """
    with translated(path):
        _require(path, path.lstat())
        descriptor = os.open(path, _FLAGS)
        try:
            _require(path, os.fstat(descriptor))
            return os.fdopen(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise


def read(path: Path, largest: int = LARGEST) -> bytes:
    """All that is in the regular file at `path`; BadBackup, and little read, beyond `largest`."""
    with translated(path), opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > largest else _all(file, largest)
    if size > largest or len(data) > largest:
        raise BadBackup(
            f"{path.name} has {max(size, len(data)):,} bytes: a record has at most {largest:,}.",
            hint=Hint(
                "It was not written by us. Look what it is, and move it away: ", command("ls", "-l", path)
            ),
        )
    return data


def fields(path: Path) -> dict[str, Any]:
    """The JSON object in a small file that we keep for ourselves.

    FileNotFoundError where there is none, ValueError for whatever else is there or keeps it from being read.
    """
    if not os.path.lexists(path):
        raise FileNotFoundError(path)
    try:
        found = parse_json(read(path, _SMALL))
    except LedgerError as error:
        raise ValueError(error.message) from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def text(path: Path) -> str:
    """What a small file of ours says; empty where there is none. LedgerError for whatever else is there."""
    if not os.path.lexists(path):
        return ""
    try:
        return read(path, _SMALL).decode()
    except (UnicodeDecodeError, BadBackup):
        hint = Hint("Look what it is; it is made anew once it is gone: ", command("rm", path))
        raise LedgerError(f"{path} is no text file of ours.", hint=hint) from None


def tail(path: Path, count: int) -> bytes:
    """The last `count` bytes of the regular file at `path`."""
    with translated(path), opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), count, max(0, size - count))


def _all(file: IO[bytes], largest: int) -> bytes:
    """What a file holds, and at most one byte more than `largest`: it may be growing."""
    parts, left = [], largest + 1
    while left and (part := file.read(min(left, 16 * 1024 * 1024))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _require(path: Path, facts: os.stat_result) -> None:
    if kind := irregular(facts):
        raise BadBackup(
            f"{path.name} is {kind}, not a regular file.",
            hint=Hint(
                "Put the file itself in its place, from wherever it is now: ", command("ls", "-l", path)
            ),
        )
