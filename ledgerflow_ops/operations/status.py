"""What is proven, how far, and how old it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.table import Table

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core import catalog as known
from ledgerflow_ops.core.catalog import Entry
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.core.swap import Beside
from ledgerflow_ops.operations import catalog, leftovers
from ledgerflow_ops.operations.desk import Site

_LISTED = 8


@dataclass(frozen=True, slots=True)
class Status:
    """One environment's standing at an instant."""

    site: Site
    now: datetime
    entries: tuple[Entry, ...]
    kept: tuple[Beside, ...] = ()
    unseen: str = ""

    @property
    def proven(self) -> Entry | None:
        return known.newest_proven(self.entries)

    @property
    def rpo_seconds(self) -> float | None:
        """How much would be lost now: since the newest proven recovery point. None when nothing is proven."""
        point = self.proven.recovery_point if self.proven else None
        return (self.now - point).total_seconds() if point else None

    def as_json(self) -> dict[str, Any]:
        proven = self.proven
        return {
            "environment": str(self.site.environment),
            "sample": self.site.is_sample,
            "folder": str(self.site.folder.path),
            "newest_proven": proven.name.dump if proven else None,
            "rpo_seconds": self.rpo_seconds,
            "rto_seconds": proven.proof.rto_seconds if proven and proven.proof else None,
            "kept_databases": [
                {"name": one.name, "since": one.mark.at.isoformat(), "size": one.size} for one in self.kept
            ],
            "backups": [_entry_json(entry) for entry in _ordered(self.entries)],
        }


def status(site: Site) -> Status:
    """The environment's standing now: the catalog, and what restores have put aside on the server."""
    kept, unseen = leftovers.kept_or_why(site)
    return Status(site, site.desk.clock(), tuple(catalog.entries(site)), tuple(kept), unseen)


def show(found: Sequence[Status], terminal: Terminal) -> None:
    """One screen for people."""
    for item in found:
        terminal.say(_headline(item), "bold green" if item.proven else "bold red")
        if item.site.is_sample:
            terminal.say(f"  SAMPLE DATA: no URL is set for {item.site.environment}.", "yellow")
        terminal.say(f"  in {item.site.folder.path}", "dim")
        if item.entries:
            terminal.table(_table(item))
        for one in item.kept:
            age = _span((item.now - one.mark.at).total_seconds())
            size = human(one.size) if one.size is not None else "size unknown"
            terminal.say(f"  kept aside since {age}: {one.name}, {size}; make discard NAME={one.name}")
        if item.unseen:
            terminal.say(f"  its server cannot be asked: {item.unseen}", "yellow")


def _headline(item: Status) -> str:
    name, proven, rpo = item.site.environment, item.proven, item.rpo_seconds
    if proven is None or rpo is None:
        return f"{name}: NOTHING IS PROVEN. {len(item.entries)} dump(s) in the folder."
    rto = (
        f", restored in {proven.proof.rto_seconds:.1f} s" if proven.proof and proven.proof.rto_seconds else ""
    )
    away = "" if proven.local else " (NOT LOCAL: its bytes are only in the cloud)"
    age = "IN THE FUTURE: is the clock right?" if rpo < 0 else f"{_span(rpo)} old"
    return f"{name}: newest proven backup is {age}{rto}: {proven.name.dump}{away}"


def _table(item: Status) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("day", "file", "size", "state", "age"):
        table.add_column(column, overflow="fold")  # never an ellipsis: names are there to be copied
    for entry in _ordered(item.entries)[:_LISTED]:
        age = _span((item.now - entry.recovery_point).total_seconds()) if entry.recovery_point else "?"
        table.add_row(str(entry.day or "?"), entry.name.dump, human(entry.size), entry.state, age)
    return table


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    """Backups newest first, then what is no backup."""
    backups = known.backups(entries)
    return backups + [entry for entry in entries if entry not in backups]


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "file": entry.name.dump,
        "day": entry.day.isoformat() if entry.day else None,
        "size": entry.size,
        "state": entry.state,
        "proven": entry.proven,
        "recovery_point": entry.recovery_point.isoformat() if entry.recovery_point else None,
        "problem": entry.problem,
    }


def _span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = timedelta(seconds=int(abs(seconds)))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(whole.days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    shown = [f"{value} {unit}" for value, unit in parts if value][:2] or ["0 s"]
    return " ".join(shown)
