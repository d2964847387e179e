"""The catalog: every known backup, as described by its manifest and proof."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.environments import Environment

UNRESTORABLE = "unrestorable"
"""The state of an intact backup of a database whose dumps no server can load."""
LATEST, LATEST_PROVEN = "latest", "latest-proven"
UNJUDGED = "unjudged"
"""The state of a backup that could not be read at its last check: earlier proof does not count."""
CLOCK_SLACK = timedelta(minutes=5)
"""How far a server's clock may be ahead of ours before its backups count as from the future."""


class Dated(Protocol):
    """A backup, as far as it takes to tell which of several is the newest: an `Entry` or a summary of one."""

    @property
    def name(self) -> BackupName: ...

    @property
    def recovery_point(self) -> datetime | None: ...

    @property
    def proven(self) -> bool: ...


AnyBackup = TypeVar("AnyBackup", bound=Dated)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One dump in a location, `size` in bytes. Without a manifest it is no backup.

    `problem` says what is wrong with it. `unread`: the problem is only that it cannot be read just now, which
    is no verdict on the backup.
    """

    environment: Environment
    name: BackupName
    size: int
    manifest: Manifest | None
    proof: Proof | None
    local: bool = True
    problem: str = ""
    unread: bool = False

    @property
    def is_backup(self) -> bool:
        """Whether a manifest commits it and it has no problem."""
        return self.manifest is not None and not self.problem

    @property
    def rung(self) -> Rung:
        """How far it is proven. Without a good proof, or with a doubted one, it is merely written."""
        if self.proof is None or not self.is_backup or self.proof.verdict is not Verdict.GOOD:
            return Rung.WRITTEN
        if self.proof.doubt:
            return Rung.WRITTEN
        return min(self.proof.rung, self.manifest.ceiling) if self.manifest else self.proof.rung

    @property
    def proven(self) -> bool:
        """Whether it is proven valid."""
        return self.proof is not None and self.proof.proven and self.rung >= PROVEN

    @property
    def bad(self) -> bool:
        """Whether it has been shown to be bad."""
        shown = bool(self.problem) and not self.unread
        return shown or (self.proof is not None and self.proof.verdict is Verdict.BAD)

    @property
    def unjudged(self) -> str:
        """Why the last attempt to examine it failed; empty where it did not."""
        if self.unread or self.proof is None or self.proof.doubt is None:
            return self.problem if self.unread else ""
        return self.proof.doubt.message

    @property
    def unrestorable(self) -> str:
        """What in the source prevents its restore, where its proof says that the file is intact;
        else empty.
        """
        return self.proof.unrestorable if self.proof and not self.problem else ""

    @property
    def day(self) -> date | None:
        return self.manifest.backup_day if self.manifest else None

    @property
    def recovery_point(self) -> datetime | None:
        return self.manifest.recovery_point if self.manifest else None

    @property
    def state(self) -> str:
        """The state in the one word that people read: a rung, or why there is none."""
        if not self.local:
            return "not local"
        if self.unrestorable:
            return UNRESTORABLE
        if self.bad:
            return "bad"
        if self.unjudged:
            return UNJUDGED
        if self.manifest is None:
            return "no manifest"
        return self.rung.word


def newest_first(backups: Iterable[AnyBackup]) -> list[AnyBackup]:
    """Newest recovery point first; of two with the same, the later name. What has none is left out."""
    dated = [
        (backup.recovery_point, backup.name.stem, backup)
        for backup in backups
        if backup.recovery_point is not None
    ]
    return [backup for *_, backup in sorted(dated, key=lambda entry: entry[:2], reverse=True)]


def newest_proven(backups: Iterable[AnyBackup]) -> AnyBackup | None:
    """The newest one that counts."""
    return next((backup for backup in newest_first(backups) if backup.proven), None)


def backups(entries: Iterable[CatalogEntry]) -> list[CatalogEntry]:
    """The backups among `entries`, newest recovery point first."""
    return newest_first(entry for entry in entries if entry.is_backup)


def newest(entries: Iterable[CatalogEntry]) -> CatalogEntry | None:
    """The newest backup, proven or not."""
    return next(iter(backups(entries)), None)


def newest_reliable(entries: Iterable[CatalogEntry], now: datetime, *, sample: bool) -> CatalogEntry | None:
    """The backup to rely on before data is at risk: the newest proven one whose age is known.

    The age of a backup from the future is unknown. Backups of the sample do not count for a real database.
    """
    return newest_proven(
        entry
        for entry in entries
        if entry.manifest
        and entry.manifest.recovery_point - now <= CLOCK_SLACK
        and (sample or not entry.manifest.sample)
    )


def select_backup(entries: Iterable[CatalogEntry], word: str) -> CatalogEntry | None:
    """What `latest`, `latest-proven` or a day (2026-11-23) means; None when no backup matches.

    A day means its newest proven backup, else its newest one.
    """
    listed = list(entries)
    if word == LATEST:
        return newest(listed)
    if word == LATEST_PROVEN:
        return newest_proven(listed)
    of_day = [entry for entry in listed if entry.day is not None and entry.day.isoformat() == word]
    return newest_proven(of_day) or newest(of_day)


def window_edge(today: date, proven_day: date | None, retention_days: int) -> date:
    """The first day of the retention window, which is the first partition.

    The window ends today, or on the day of the newest proven backup if that is earlier: when backups
    stall, the window stalls with them.
    """
    return min(today, proven_day or today) - timedelta(days=retention_days)
