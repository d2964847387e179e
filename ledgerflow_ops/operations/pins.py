"""Pins a backup, so that no rotation takes it."""

from datetime import datetime

from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.pins import Pin
from ledgerflow_ops.operations.desk import Site


def pin(site: Site, name: BackupName, reason: str, until: datetime | None = None) -> Pin:
    """Pin a backup; one that was pinned longer stays so."""
    kept = read(site, name)
    made = Pin(file=name.dump, reason=reason, who=site.desk.run.who, since=site.desk.clock(), until=until)
    if kept and (kept.until is None or (until is not None and kept.until >= until)):
        return kept
    site.folder.replace(name.pin, made.encode())
    return made


def read(site: Site, name: BackupName) -> Pin | None:
    """The backup's pin; None when it has none. BadBackup when it cannot be read: it then counts as pinned."""
    if not site.folder.file(name.pin).exists():
        return None
    return Pin.decode(site.folder.read(name.pin), name.pin)


def pinned(site: Site, name: BackupName) -> str:
    """Why no rotation may take this backup; empty when nothing keeps it."""
    try:
        found = read(site, name)
    except BadBackup as error:
        return error.message
    return found.reason if found and found.holds(site.desk.clock()) else ""
