"""The room at each of an environment's locations."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters import rooms
from ledgerflow_ops.adapters.rooms import Left
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.desk import Site


@dataclass(frozen=True, slots=True)
class Room:
    """A location's folder and the room there: None, and why, where it cannot be asked. `full_at` is the
    day on which it will be full if it goes on like this; None where that is not to be seen. `history` has
    what was free on the days before, in bytes, the oldest first."""

    folder: Path
    left: Left | None
    trouble: str = ""
    full_at: datetime | None = None
    history: tuple[tuple[date, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        known = (
            {"size": self.left.size, "free": self.left.free, "inodes": self.left.inodes} if self.left else {}
        )
        full = self.full_at.isoformat() if self.full_at else None
        return {"folder": str(self.folder), **known, "full_at": full, "trouble": self.trouble}


def of(site: Site) -> Iterator[Room]:
    """Each location of the environment, the primary folder first."""
    for place in site.locations():
        if place.location and not place.location.parent.is_dir():
            # What is free on the disk beneath an empty place says nothing of the archive.
            yield Room(place.folder.path, None, f"{place.location.parent} is not there: is it mounted?")
            continue
        try:
            yield Room(place.folder.path, rooms.left(place.folder.path))
        except LedgerError as error:
            yield Room(place.folder.path, None, error.message)
