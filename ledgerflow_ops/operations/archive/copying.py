"""Copies one backup to one location: every file read back there, its proof, and its manifest last.

Bytes are copied as they are stored. A copy that was begun is continued: a file that is there already is read,
and kept if it is the committed one.
"""

from collections.abc import Callable, Iterator

from ledgerflow_ops.adapters.storage.store import BackupStore, copy
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
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
        self.report = at.ctx.reporter
        self.moved = moved

    def carry_out(self) -> int:
        self.at.store.prepare()
        sent = sum(self._copy(facts) for facts in data_files(self.manifest))
        self.report.step(Step.COPY_PROOF)
        copy_proof(self.source, self.at, self.name)
        self.report.step(Step.COPY_COMMIT)
        if not self.at.store.taken(self.name.manifest):
            self.at.store.put(self.name.manifest, self.source.store.record(self.name.manifest))
        return sent

    def _copy(self, facts: FileFacts) -> int:
        """Copy a file, unless it is there; returns the bytes sent."""
        store = self.at.store
        if store.taken(facts.file):
            self._require_same(facts)
            return 0
        self.report.step(Step.COPY)
        with self.source.store.open(facts.file) as stored, store.create(facts.file) as file:
            if copy(stored, file, self._paced(facts.size)) != (facts.size, facts.sha256):
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

    def _paced(self, expected: int) -> Moved:
        pace, done_before = Pace(self.at.archive.rate_limit if self.at.archive else None), 0

        def moved(done: int) -> None:
            nonlocal done_before
            self.moved(done)
            self.report.moved(done, expected)
            for seconds in pace.pauses(done - done_before):
                clock.pause(seconds)
                self.moved(done)
            done_before = done

        return moved


def is_committed_file(store: BackupStore, facts: FileFacts, moved: Moved = lambda done: None) -> bool:
    """Whether a file holds the committed bytes; all of them are read, unless its size tells already."""
    if store.size(facts.file) != facts.size:
        return False
    return store.content(facts.file, moved) == (facts.size, facts.sha256)


class Pace:
    """Keeps a copy below so many bytes a second; None for no limit."""

    _LONGEST = 1.0

    def __init__(self, limit: int | None) -> None:
        self._limit, self._sent, self._begun = limit, 0, clock.monotonic()

    def pauses(self, sent: int) -> Iterator[float]:
        """The pauses (seconds, each short) to make after so many more bytes were sent."""
        self._sent += sent
        if not self._limit:
            return
        left = self._sent / self._limit - (clock.monotonic() - self._begun)
        while left > 0:
            yield min(left, self._LONGEST)
            left -= self._LONGEST
