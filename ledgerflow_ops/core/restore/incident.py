"""The record of an incident: what was lost, what was tried, what was restored, what is left to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and when."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class CandidateVerdict:
    """A candidate, and why it was rejected; `reason` is empty for the one that was restored."""

    file: str
    recovery_point: datetime | None
    reason: str = ""

    @property
    def holds(self) -> bool:
        return not self.reason


@dataclass(frozen=True, slots=True)
class TableLoss:
    """A table's rows as restored, beside the newest known count."""

    table: str
    known: int
    restored: int


@dataclass(slots=True)
class Incident:
    """One recovery in progress."""

    environment: str
    id: str
    who: str
    why: str
    searched: list[str] = field(default_factory=list)
    timeline: list[Event] = field(default_factory=list)
    candidates: list[CandidateVerdict] = field(default_factory=list)
    primary: str = ""
    recovery_point: datetime | None = None
    lost: timedelta | None = None
    losses: list[TableLoss] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    outcome: str = "not finished"

    @property
    def name(self) -> str:
        return f"{self.environment}_{self.id}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "lost": self.lost.total_seconds() if self.lost else None}


def trial_order(entries: Sequence[tuple[CatalogEntry, int]]) -> list[int]:
    """The order in which candidates are tried: the newest recovery point first.

    Of copies of one backup the one in the first location comes first. Entries without a recovery point come
    last, the newest name first. Takes entries with the number of their location; returns positions in that
    list.
    """

    def rank(position: int) -> tuple[bool, float, int]:
        entry, place = entries[position]
        point = entry.recovery_point
        return point is None, -point.timestamp() if point else 0.0, place

    by_name = sorted(range(len(entries)), key=lambda position: entries[position][0].name.stem, reverse=True)
    return sorted(by_name, key=rank)


def table_losses(restored: Manifest, known: Mapping[str, int]) -> list[TableLoss]:
    """The tables whose restored number of rows differs from the known one."""
    rows = {table: facts.rows for table, facts in restored.seal.tables.items()}
    return [
        TableLoss(table, known.get(table, 0), rows.get(table, 0))
        for table in sorted({*known, *rows})
        if known.get(table, 0) != rows.get(table, 0)
    ]


def markdown(incident: Incident) -> str:
    """The record as Markdown."""
    return "\n".join(_lines(incident)) + "\n"


def _lines(incident: Incident) -> Iterator[str]:
    yield f"# Incident {incident.name}"
    yield ""
    yield f"{incident.outcome}"
    yield ""
    yield f"Recovered by {incident.who}. Why: {incident.why or 'not given'}."
    yield f"The primary: {incident.primary}"
    yield from _section(
        "Timeline", (f"- {one.at.isoformat(timespec='seconds')} {one.what}" for one in incident.timeline)
    )
    yield from _section("What was lost", _loss_lines(incident))
    yield from _section("Searched", (f"- {place}" for place in incident.searched))
    yield from _section("Candidates", map(_candidate_line, incident.candidates))
    yield from _section(
        "Checks afterwards",
        (
            f"- {'ok' if check['passed'] else check['severity']}: {check['name']}: {check['message']}"
            for check in incident.checks
        ),
    )
    yield from _section("Commands run", (f"    {command}" for command in incident.commands))
    yield from _section("Left to do", (f"- [ ] {task}" for task in incident.todo))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    listed = list(lines)
    yield from listed or ["Nothing."]


def _loss_lines(incident: Incident) -> Iterator[str]:
    if incident.recovery_point is None or incident.lost is None:
        yield "Nothing was restored."
        return
    yield (
        f"All changes after {incident.recovery_point.isoformat(timespec='seconds')}, "
        f"{incident.lost} before the recovery."
    )
    yield ""
    if incident.losses:
        yield "| table | rows last known | rows restored |"
        yield "|---|---|---|"
    for loss in incident.losses:
        yield f"| {loss.table} | {loss.known} | {loss.restored} |"


def _candidate_line(verdict: CandidateVerdict) -> str:
    point = (
        verdict.recovery_point.isoformat(timespec="seconds") if verdict.recovery_point else "unknown instant"
    )
    first = verdict.reason.strip().splitlines()
    outcome = "HOLDS: restored" if verdict.holds else "rejected: " + " ".join(line.strip() for line in first)
    return f"- {verdict.file} ({point}): {outcome}"
