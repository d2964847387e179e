"""Whether there is room for a dump, asked before a byte of it is written."""

from ledgerflow_ops.core import catalog as known
from ledgerflow_ops.core import space
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.manifest import Source
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.operations import catalog, filing
from ledgerflow_ops.operations.desk import Site

_ROOM_FOR_RECORDS = 1_000_000


def require(site: Site, found: Source) -> int:
    """The dump's expected size; LedgerError with the figures when the disk has no room for it."""
    entries = catalog.entries(site)
    newest = known.newest(entries)
    last = None
    if newest and newest.manifest:
        last = space.LastDump(newest.size, newest.manifest.source.size)
    needed, files = space.dump_needs(found.size, last), filing.room(site)
    free = site.folder.free()
    if free < needed + files + _ROOM_FOR_RECORDS:
        beside = f", new files {human(files)}" if files else ""
        raise LedgerError(
            f"Not enough room in {site.folder.path}: about {human(needed + files)} needed "
            f"(database {human(found.size)}{beside}), {human(free)} free.",
            hint="Free room or set another backup_root. Nothing was written.",
        )
    return last.size if last else 0
