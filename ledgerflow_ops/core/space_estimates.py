"""How much room a backup and a drill will need."""

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
    """Bytes that a dump of a database of `database_size` bytes may take, with a quarter of room on top.

    From the last dump's share of its database where there is one (never less than the last dump
    itself); else the database's own size, which a compressed dump without indexes does not reach.
    """
    if last is None or last.database_size == 0:
        expected = float(database_size)
    else:
        expected = max(last.size, last.size * database_size / last.database_size)
    return int(expected * _ROOM) + _BASE


def fits_memory(database_size: int, below: int, memory: int) -> bool:
    """Whether a drill of a database of `database_size` bytes may keep its server's data in memory.

    Only one smaller than `below`, and only where `memory`, the bytes that are free, would hold four of
    it: a drill must not be what drives a machine out of memory.
    """
    return database_size < below and 4 * drill_needs(database_size) <= memory


def drill_needs(database_size: int) -> int:
    """Bytes that restoring a database of `database_size` bytes into a cluster of its own may take."""
    return int(database_size * _ROOM) + _CLUSTER


def files_need(size: int, entries: int) -> int:
    """Bytes that so many unpacked files, folders and links of `size` bytes together may take on a disk."""
    return size + entries * _BLOCK


def archive_needs(size: int, entries: int) -> int:
    """Bytes that an archive of files may take of which `size` bytes are stored: they may not pack at all."""
    return int(size * 1.01) + entries * _HEADER
