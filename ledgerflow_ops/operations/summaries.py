"""Summaries of an environment's backups: as its folder stands, and of those that rotation has taken away."""

from ledgerflow_ops.core import summary
from ledgerflow_ops.core.summary import Summary
from ledgerflow_ops.operations import catalog, history
from ledgerflow_ops.operations.desk import Site


def present(site: Site) -> list[Summary]:
    """The committed backups that lie in the environment's folder, newest recovery point first."""
    found = (summary.of(entry) for entry in catalog.entries(site))
    return summary.newest_first(one for one in found if one is not None)


def past(site: Site) -> list[Summary]:
    """The backups that rotation has taken away, newest recovery point first, for at least 400 days."""
    return history.past(site)
