"""Sweeps what killed operations have left: drills' servers, half-written files, dumps without a manifest.

What a killed restore has left on the server is swept by `leftovers`.
"""

from collections.abc import Iterator

from ledgerflow_ops.adapters import lodging, throwaway
from ledgerflow_ops.core import making
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.making import Making, Placed
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.operations import history
from ledgerflow_ops.operations.desk import Desk, Site


def drills(desk: Desk) -> list[str]:
    """End the servers of drills that died, with the copies of a database that they hold; their keys.

    Quick where there are none. What keeps it from being done is told, and keeps nobody from their work.
    """
    try:
        place = lodging.existing(desk.settings.state_dir)
        swept = throwaway.sweep(place) if place else []
    except (LedgerError, OSError) as error:
        desk.reporter.say(f"what killed drills have left could not be swept: {error}")
        return []
    for key in swept:
        desk.reporter.say(f"swept drill {key}: its server, which a killed drill had left, and its data")
    return swept


def folder(site: Site) -> list[str]:
    """Remove what killed operations have left in the environment's folder. Under the environment's lock."""
    swept = [*site.folder.sweep(), *_uncommitted(site)]
    there = history.folder(site)
    for name in there.unfinished():
        there.remove(name)
        swept.append(f"{history.FOLDER}/{name}")
    for name in swept:
        site.desk.reporter.say(f"swept {name}: left half-written by an interrupted run")
    return swept


def before(site: Site) -> None:
    """Both, for an operation that has just taken the environment's lock."""
    drills(site.desk)
    if site.folder.path.is_dir():
        folder(site)


def _uncommitted(site: Site) -> Iterator[str]:
    """Remove the files of backups that were never committed, if they are still those that were put there.

    A dump that somebody else has put into the folder has no such record: it stays.
    """
    for file in records(site):
        try:
            record = Making.decode(site.folder.record(file), file)
        except BadBackup as error:
            site.desk.reporter.say(f"{error.message} What it names stays.")
            record = None
        if record and not site.folder.taken(BackupName(record.stem).manifest):
            for placed in reversed(record.placed):
                if _is_still(site, placed):
                    site.folder.remove(placed.file)
                    yield placed.file
        site.folder.remove(file)


def records(site: Site) -> list[str]:
    """The records of backups in the making that lie in the folder."""
    path = site.folder.path
    return sorted(one.name for one in path.iterdir() if making.is_making(one.name)) if path.is_dir() else []


def _is_still(site: Site, placed: Placed) -> bool:
    version = site.folder.version(placed.file)
    return version is not None and version[:2] == (placed.inode, placed.size)
