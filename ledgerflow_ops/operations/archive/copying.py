"""Copies one backup to one location: every file read back there, its proof, and its manifest last.

Bytes are copied as they are stored. A copy that was begun is continued: a file that is there already is read,
and kept if it is the committed one.
"""

from collections.abc import Callable
from datetime import timedelta

from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.adapters.storage.store import BackupStore, copy
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.archive.location_retention import location_policy
from ledgerflow_ops.operations.context import EnvironmentContext

Moved = Callable[[int], object]
"""Receives the bytes of the current file that are done. It may raise to end the copy."""


def data_files(manifest: Manifest) -> list[FileFacts]:
    """The files that hold a backup's data, its archives of files first: others may need them as well."""
    archives = manifest.files.archives if manifest.files else ()
    return [part for part in (*archives, manifest.globals, manifest.dump) if part]


def copy_backup(
    source: EnvironmentContext,
    at: EnvironmentContext,
    manifest: Manifest,
    moved: Moved = lambda done: None,
) -> int:
    """Copy a backup from one location to another; returns the bytes that were sent.

    Requires the lock of the location that is written to. BadBackup (4) where a file is not what its manifest
    commits, Refused (3) where a different file has its name there, LedgerError (1) where a location fails.
    Nothing is committed then, and the next call continues.
    """
    return _BackupCopy(source, at, manifest, moved).carry_out()


def copy_proof(source: EnvironmentContext, at: EnvironmentContext, name: BackupName) -> None:
    """Copy a backup's proof, which speaks of its bytes wherever they are. They must have been read back."""
    if source.store.taken(name.proof):
        at.store.replace(name.proof, source.store.record(name.proof))


class _BackupCopy:
    """One backup on its way to one location."""

    def __init__(
        self, source: EnvironmentContext, at: EnvironmentContext, manifest: Manifest, moved: Moved
    ) -> None:
        self.source, self.at, self.manifest = source, at, manifest
        self.name = BackupName.of(manifest.dump.file)
        self.report, self.moved = at.ctx.reporter, moved
        self.store = at.store

    def carry_out(self) -> int:
        self.store.prepare()
        self.store = retained_store(self.at, self.manifest)
        sent = sum(self._copy(facts) for facts in data_files(self.manifest))
        self.report.step(Step.COPY_PROOF)
        copy_proof(self.source, self.at, self.name)
        self.report.step(Step.COPY_COMMIT)
        if not self.store.taken(self.name.manifest):
            self.store.put(self.name.manifest, self.source.store.record(self.name.manifest))
        return sent

    def _copy(self, facts: FileFacts) -> int:
        """Copy a file, unless it is there; returns the bytes sent."""
        store = self.store
        if store.taken(facts.file):
            self._require_same(facts)
            return 0
        self.report.step(Step.COPY)
        with self.source.store.open(facts.file) as stored, store.create(facts.file) as file:
            if copy(stored, file, self._progress(facts.size)) != (facts.size, facts.sha256):
                raise BadBackup(
                    f"{self.source.store.describe(facts.file)} is not what its manifest commits.",
                    hint=Hint("Nothing was committed. ", make("repair"), " replaces it from a good copy."),
                )
            file.commit()
        self._read_back(facts)
        return facts.size

    def _read_back(self, facts: FileFacts) -> None:
        """Read a copied file at the far end; it is removed if it differs from what was sent."""
        self.report.step(Step.COPY_BACK)
        if is_committed_file(self.at.store, facts, self.moved):
            return
        self.at.store.delete(facts.file)
        raise LedgerError(
            f"{self.at.store.describe(facts.file)} was read back and differs from what was sent.",
            hint=Hint("It was removed. ", make("archive"), " copies it again; check that location."),
        )

    def _require_same(self, facts: FileFacts) -> None:
        """Refused if the file that is there is not the committed one."""
        self.report.step(Step.COPY_BACK)
        if not is_committed_file(self.at.store, facts, self.moved):
            where = self.at.store.describe(facts.file)
            raise Refused(
                f"{where} exists already, and differs from the backup's.",
                hint=Hint("Copies are never overwritten. Move that file away; then ", make("archive")),
            )

    def _progress(self, expected: int) -> Moved:
        def moved(done: int) -> None:
            self.moved(done)
            self.report.moved(done, expected)

        return moved


def is_committed_file(store: BackupStore, facts: FileFacts, moved: Moved = lambda done: None) -> bool:
    """Whether a file holds the committed bytes; all of them are read, unless its size tells already."""
    if store.size(facts.file) != facts.size:
        return False
    return store.content(facts.file, moved) == (facts.size, facts.sha256)


def retained_store(at: EnvironmentContext, manifest: Manifest) -> BackupStore:
    """The location's store, which locks new files until the window of its retention has passed the backup.

    Only where the bucket can lock objects, and the location's settings do not say `off`.
    """
    store, policy = at.store, location_policy(at)
    until = manifest.recovery_point + timedelta(days=policy.days) if policy else None
    if until is None or until <= at.ctx.clock() or not isinstance(store, ObjectStore):
        return store
    return store.retained(until)
