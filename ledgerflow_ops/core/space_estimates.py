"""Estimates of the disk space and memory that a backup, a drill and an archive need, in bytes."""

from dataclasses import dataclass

_ROOM = 1.25
_BASE = 8 * 1000**2
_BLOCK = 4096
_HEADER = 1024
_CLUSTER = 80 * 1000**2


@dataclass(frozen=True, slots=True)
class LastDump:
    """The newest earlier backup: its size and the size its database had."""

    size: int
    database_size: int


def dump_needs(database_size: int, last: LastDump | None) -> int:
    """Bytes that a dump of a database of `database_size` bytes may take, plus a margin of 25 % and 8 MB.

    With an earlier dump: its ratio to its database's size, but never less than that dump's size. Without one:
    the database's size, which a compressed dump without indexes does not reach.
    """
    if last is None or last.database_size == 0:
        expected = float(database_size)
    else:
        expected = max(last.size, last.size * database_size / last.database_size)
    return int(expected * _ROOM) + _BASE


def fits_memory(database_size: int, below: int, memory: int) -> bool:
    """Whether a drill of a database of `database_size` bytes may keep its server's data in memory.

    Only if the database is smaller than `below` bytes, and `memory`, the free bytes, is four times what the
    drill needs: a drill must not exhaust the machine's memory.
    """
    return database_size < below and 4 * drill_needs(database_size) <= memory


def drill_needs(database_size: int) -> int:
    """Bytes that restoring a database of `database_size` bytes into a scratch cluster may take."""
    return int(database_size * _ROOM) + _CLUSTER


def files_need(size: int, entries: int) -> int:
    """Bytes on disk of `entries` unpacked files, folders and links with `size` bytes together."""
    return size + entries * _BLOCK


def archive_needs(size: int, entries: int) -> int:
    """Bytes of an archive of `entries` files with `size` bytes together, if none can be compressed."""
    return int(size * 1.01) + entries * _HEADER
