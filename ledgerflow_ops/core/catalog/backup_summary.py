"""What must be known of a backup to watch it, draw it and plan with it, without its whole manifest."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ledgerflow_ops.core.catalog.catalog import CLOCK_SLACK, CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """One committed backup, present or rotated away. Sizes are bytes, durations seconds, times aware.

    `tables` has the rows per table; `schema` and `contents` are digests; `restored_at` is when a drill
    last restored it, None if none did. `lacks` names what of the database is not in it, `remedy` says what to
    do about that. `state` is the word people read (see `Entry.state`).
    """

    environment: Environment
    name: BackupName
    day: date
    recovery_point: datetime
    finished_at: datetime
    size: int
    database_size: int
    duration_seconds: float
    tables: Mapping[str, int]
    schema: str
    contents: str
    seal: str
    sample: bool
    state: str
    proven: bool
    bad: bool
    local: bool
    problem: str
    rto_seconds: float | None
    examined_at: datetime | None
    restored_at: datetime | None
    lacks: str = ""
    remedy: str = ""

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


@dataclass(frozen=True, slots=True)
class ListedDump:
    """A dump in a folder, or what is left of one, at a glance: see `Entry`. No backup without a summary.

    `manifest` says whether anything goes by the manifest's name, whole or not.
    """

    environment: Environment
    name: BackupName
    size: int
    state: str
    local: bool
    manifest: bool
    problem: str
    summary: BackupSummary | None


def list_dump(entry: CatalogEntry, *, manifest: bool) -> ListedDump:
    """A dump at a glance."""
    return ListedDump(
        environment=entry.environment,
        name=entry.name,
        size=entry.size,
        state=entry.state,
        local=entry.local,
        manifest=manifest,
        problem=entry.problem or entry.unjudged or entry.unrestorable,
        summary=summarize(entry),
    )


def summarize(entry: CatalogEntry) -> BackupSummary | None:
    """A dump's summary; None where no manifest commits it."""
    manifest, proof = entry.manifest, entry.proof
    if manifest is None:
        return None
    restored = proof is not None and proof.server_version is not None
    return BackupSummary(
        environment=entry.environment,
        name=entry.name,
        day=manifest.backup_day,
        recovery_point=manifest.recovery_point,
        finished_at=manifest.finished_at,
        size=manifest.dump.size,
        database_size=manifest.source.size,
        duration_seconds=round(sum(manifest.durations.values()), 3),
        tables={name: table.rows for name, table in manifest.contents.tables.items()},
        schema=manifest.seal.schema_digest,
        contents=contents_digest(manifest),
        seal=manifest.seal.depth,
        sample=manifest.sample,
        state=entry.state,
        proven=entry.proven,
        bad=entry.bad,
        local=entry.local,
        problem=entry.problem or entry.unjudged,
        rto_seconds=proof.rto_seconds if proof else None,
        examined_at=proof.examined_at if proof else None,
        restored_at=proof.examined_at if proof and restored else None,
        lacks=manifest.lacks,
        remedy=manifest.remedy,
    )


def contents_digest(manifest: Manifest) -> str:
    """One digest over the data of all tables, sequences and large objects."""
    return hashlib.sha256(manifest.contents.model_dump_json().encode()).hexdigest()


def without_future(summaries: Iterable[BackupSummary], now: datetime) -> list[BackupSummary]:
    """Those that are not from the future: of how late things are, the others say nothing."""
    return [summary for summary in summaries if not _is_future(summary, now)]


def only_future(summaries: Iterable[BackupSummary], now: datetime) -> list[BackupSummary]:
    """Those from the future: of an instant that, by more than the clocks' slack, has not come yet."""
    return [summary for summary in summaries if _is_future(summary, now)]


def _is_future(summary: BackupSummary, now: datetime) -> bool:
    return summary.recovery_point - now > CLOCK_SLACK
