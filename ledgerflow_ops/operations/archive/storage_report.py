"""How many bytes the backups take in each location, how fast they grow, and what retention will free."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.adapters.storage.stored_file import FileStat
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat, run_bounded
from ledgerflow_ops.core.catalog.naming import MANIFEST, OURS
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.archive import location_rotation
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.archive.location_retention import location_policy
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import rotate

GROWTH = timedelta(days=30)
"""The time for which growth is counted."""


@dataclass(frozen=True, slots=True)
class LocationUsage:
    """One environment in one location; sizes are bytes. `trouble` says why the figures are not known.

    `added` is what came within the last 30 days and is still there. `expiring` are the backups that the next
    rotation removes, `frees` their bytes. `other` are bytes of files that are no backup's.
    """

    environment: str
    location: str
    where: str
    backups: int = 0
    size: int = 0
    added: int = 0
    expiring: int = 0
    frees: int = 0
    other: int = 0
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        figures = ("backups", "size", "added", "expiring", "frees", "other")
        known = {name: None if self.trouble else getattr(self, name) for name in figures}
        head = {"environment": self.environment, "location": self.location, "where": self.where}
        return {**head, **known, "trouble": self.trouble}


def measure_storage(envs: Iterable[EnvironmentContext]) -> list[LocationUsage]:
    """The usage of each environment in each of its locations, the primary folder first. Nothing is touched.

    A location that cannot be read, or makes no progress for `stall_seconds`, is listed with the reason.
    """
    return [_measured(env, at) for env in envs for at in env.locations()]


def _measured(env: EnvironmentContext, at: EnvironmentContext) -> LocationUsage:
    name, where = place_name(at), at.store.location
    try:
        return run_bounded(f"The location {name}", _Measuring(env, at), env.settings.stall_seconds)
    except LedgerError as error:
        return LocationUsage(str(env.environment), name, where, trouble=error.message)


@dataclass(frozen=True)
class _Measuring:
    """The measurement of one location. A folder's history and quarantine are not counted."""

    env: EnvironmentContext
    at: EnvironmentContext

    def __call__(self, heartbeat: Heartbeat) -> LocationUsage:
        env, store = self.env, self.at.store
        if self.at.archive and not store.reachable():
            raise LedgerError(f"{store.home} is not there.", hint=Hint(make("doctor")))
        files = [stat for stat in store.listing().files.values() if stat.here and not stat.kind]
        heartbeat()
        ours = [stat for stat in files if stat.name.endswith(OURS)]
        expiring, frees = self._expiring()
        return LocationUsage(
            str(env.environment),
            place_name(self.at),
            store.location,
            backups=sum(stat.name.endswith(MANIFEST) for stat in ours),
            size=sum(stat.size for stat in ours),
            added=sum(stat.size for stat in ours if _is_recent(stat, env.ctx.clock())),
            expiring=expiring,
            frees=frees,
            other=sum(stat.size for stat in files if not stat.name.endswith(OURS)),
        )

    def _expiring(self) -> tuple[int, int]:
        """How many backups the next rotation removes here, and their bytes."""
        if location_policy(self.at):
            own = location_rotation.plan_rotation(self.env, self.at)
            return len(own.plan.expired), own.size
        primary = rotate.plan_rotation(self.env)
        if not self.at.archive:
            return len(primary.plan.expired), primary.size
        expired = [decision.name for decision in primary.plan.expired]
        there = [name for name in expired if self.at.store.taken(name + MANIFEST)]
        return len(there), sum(primary.manifests[name].dump.size for name in there)


def _is_recent(stat: FileStat, now: datetime) -> bool:
    return stat.modified_ns >= (now - GROWTH).timestamp() * 1e9
