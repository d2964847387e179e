"""The facts of a backup that monitoring, charts and plans need, without its whole manifest."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ledgerflow_ops.core.catalog.catalog import CLOCK_SLACK, CatalogEntry, newest_first
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """One committed backup, present or expired. Sizes are bytes, durations seconds, times aware.

    `tables` has the rows per table; `schema` and `contents` are digests; `restored_at` is when a drill
    last restored it, None if none did. `lacks` names what of the database is missing from it, `remedy` says
    what to do about that. `state` is the word that people read (see `CatalogEntry.state`). The history stores
    these fields under their names.
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
    undecrypted: str = ""
    """Why no more than its hash is proven: no identity opened it at its last examination."""
    recipients: tuple[str, ...] = ()
    """The public keys that it was encrypted for; none for a plain backup."""

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


@dataclass(frozen=True, slots=True)
class ListedDump:
    """A dump in a folder, or what is left of one, in short: see `CatalogEntry`. Without a summary it is no
    backup.

    `manifest` says whether a file with the manifest's name exists, valid or not.
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
    """The short form of a catalog entry."""
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
    """The summary of a backup; None where no manifest commits the dump."""
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
        remedy=str(manifest.remedy),
        undecrypted=proof.undecrypted if proof else "",
        recipients=manifest.recipients or (),
    )


def contents_digest(manifest: Manifest) -> str:
    """One digest over the data of all tables, sequences and large objects."""
    return hashlib.sha256(manifest.contents.model_dump_json().encode()).hexdigest()


def without_future(summaries: Iterable[BackupSummary], now: datetime) -> list[BackupSummary]:
    """The summaries that are not from the future. Only these count for what is late."""
    return [summary for summary in summaries if not _is_future(summary, now)]


def only_future(summaries: Iterable[BackupSummary], now: datetime) -> list[BackupSummary]:
    """The summaries whose recovery point is more than CLOCK_SLACK after `now` (aware)."""
    return [summary for summary in summaries if _is_future(summary, now)]


def _is_future(summary: BackupSummary, now: datetime) -> bool:
    return summary.recovery_point - now > CLOCK_SLACK


def recent_sizes(backups: Iterable[BackupSummary], before: datetime, limit: int = 14) -> list[int]:
    """The sizes in bytes of the last backups taken before the instant `before`, newest first, without bad
    ones."""
    earlier = (backup for backup in backups if backup.recovery_point < before and not backup.bad)
    return [backup.size for backup in newest_first(earlier)][:limit]
