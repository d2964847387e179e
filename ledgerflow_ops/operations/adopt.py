"""Adopts a backup of a day that has passed, if one is there."""

from datetime import date

from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.desk import Site


def adopt(site: Site, day: date) -> Manifest | None:
    """The newest backup of `day` that lies in the environment's folder and is not known to be bad.

    None for today, whose backup can still be taken, and where there is none. Adopting proves nothing:
    the checks and the drill that follow judge it like any other.
    """
    if day >= site.today():
        return None
    of_day = [entry for entry in catalog.newest_first(site) if entry.day == day and not entry.bad]
    return of_day[0].manifest if of_day else None
