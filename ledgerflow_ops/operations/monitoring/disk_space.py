"""The free space at each of an environment's locations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from ledgerflow_ops.adapters.system.disk_space import DiskSpace
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.monitoring import disk_forecast
from ledgerflow_ops.core.monitoring.disk_forecast import Measurement
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import disk_metrics


@dataclass(frozen=True, slots=True)
class LocationSpace:
    """A location's folder and the space there; None and `trouble` where it cannot be measured.

    `full_at` is the day on which it will be full at the present trend (UTC), None where there is no such
    trend. `history` has the free bytes of earlier days, the oldest first.
    """

    folder: str
    home: str
    """The parent folder, which holds the folders of all environments."""
    space: DiskSpace | None
    trouble: str = ""
    full_at: datetime | None = None
    history: tuple[tuple[date, int], ...] = ()

    @property
    def inodes(self) -> int | None:
        """Free inodes; None where the file system does not count them, or cannot be measured."""
        return self.space.free_files if self.space and self.space.files else None

    def as_json(self) -> dict[str, Any]:
        disk = self.space
        space = {"size": disk.size, "free": disk.free, "inodes": self.inodes} if disk else {}
        full = self.full_at.isoformat() if self.full_at else None
        return {"folder": self.folder, **space, "full_at": full, "trouble": self.trouble}


def location_spaces(env: EnvironmentContext) -> Iterator[LocationSpace]:
    """Each folder of the environment's backups, the primary one first. An object store has no such limit."""
    measured = disk_metrics.remembered_measurements(env.ctx)
    for place in env.locations():
        if place.archive and place.location is None:
            continue
        store = place.store
        if place.location and not store.reachable():
            # Without the mounted disk, the free space below the mount point says nothing about the archive.
            yield LocationSpace(
                store.location, store.home, None, f"{store.home} is not there: is it mounted?"
            )
            continue
        try:
            space = store.space()
        except LedgerError as error:
            yield LocationSpace(store.location, store.home, None, error.message)
        else:
            room = LocationSpace(store.location, store.home, space)
            yield _with_trend(room, measured.get(store.home, []), env.ctx.clock())


def _with_trend(room: LocationSpace, measured: Sequence[Measurement], now: datetime) -> LocationSpace:
    """The location's space with the least free bytes of each earlier day, and the forecast from them."""
    least: dict[date, int] = {}
    for measurement in measured:
        least[measurement.at.date()] = min(
            measurement.free, least.get(measurement.at.date(), measurement.free)
        )
    trend = disk_forecast.forecast_full(measured, now)
    full = datetime.combine(trend.full, time(), UTC) if trend and trend.full else None
    return replace(room, history=tuple(sorted(least.items())), full_at=full)
