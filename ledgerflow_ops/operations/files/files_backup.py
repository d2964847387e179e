"""Backs up the listed folders with a dump: read while nothing in them changes, each file stored once."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from ledgerflow_ops.adapters.files import file_scanner, tarball
from ledgerflow_ops.adapters.files.file_scanner import FileChanged, FileReader, Scan, ScannedEntry
from ledgerflow_ops.adapters.storage.stored_file import NewFile
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog import files
from ledgerflow_ops.core.catalog.files import ArchiveAssignment, FileEntry, FileKind, FilesState, quoted
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

_PAUSES = (0.1, 0.5, 1.0, 2.0)
"""Seconds to wait before reading again what changed while it was read."""

Result = TypeVar("Result")
Place = Callable[[NewFile], None]


def listed_roots(env: EnvironmentContext) -> tuple[str, ...]:
    """The listed folders and files."""
    return tuple(str(path) for path in env.settings.files)


def survey_files(env: EnvironmentContext) -> Scan:
    """All entries of the listed folders; LedgerError naming what is missing or may not be read."""
    return _retry_unsteady(lambda: file_scanner.scan_roots(listed_roots(env)))


def space_needed(env: EnvironmentContext) -> int:
    """Bytes that the archive of files may take; LedgerError where a listed path is missing."""
    if not env.settings.files:
        return 0
    listed = survey_files(env)
    sizes = {(file.root, quoted(file.path)): file.size for file in listed.files}
    return space_estimates.archive_needs(
        files.bytes_to_store(sizes, _earlier_states(env)), len(listed.entries)
    )


def back_up_files(env: EnvironmentContext, name: BackupName, place: Place) -> FilesState | None:
    """Archive the listed files, consistent at one instant; `place` gives the archive its name.

    None where no files are listed. LedgerError naming what keeps changing, is missing or may not be read.
    """
    if not env.settings.files:
        return None
    env.ctx.reporter.step(Step.FILES)
    files_backup = _FilesBackup(env, name, place)
    state = _retry_unsteady(files_backup.attempt)
    for note in state.notes:
        env.ctx.reporter.say(note)
    return state


def _retry_unsteady(work: Callable[[], Result]) -> Result:
    """The result of `work`, which is repeated a few times where something changed meanwhile."""
    for pause in _PAUSES:
        try:
            return work()
        except FileChanged:
            clock.pause(pause)
    try:
        return work()
    except FileChanged as error:
        raise LedgerError(f"{error.message} That was attempt {len(_PAUSES) + 1}.", hint=error.hint) from None


class _FilesBackup:
    """One backup's files. Digests are kept between attempts, so that an attempt reads only what changed."""

    def __init__(self, env: EnvironmentContext, name: BackupName, place: Place) -> None:
        self.env, self.name, self.place = env, name, place
        self.report = env.ctx.reporter
        self.known: dict[ScannedEntry, str] = {}
        self.earlier = _earlier_states(env)
        self.intact: dict[FileFacts, bool] = {}

    def attempt(self) -> FilesState:
        """Read everything, store what is new, and check that nothing changed meanwhile (else Unsteady)."""
        begun = self.env.ctx.clock()
        listed = file_scanner.scan_roots(listed_roots(self.env))
        with FileReader() as reader:
            entries = [self._read(reader, entry) for entry in listed.entries]
            intact = {
                archive
                for archive in files.candidate_archives(entries, self.earlier)
                if self._intact(archive)
            }
            filing = files.assign_archives(entries, self.earlier, intact, self.name.files)
            return self._store(reader, begun, listed, filing)

    def _read(self, reader: FileReader, entry: ScannedEntry) -> FileEntry:
        """An entry, with a file's SHA-256. Within one run, equal times mean equal contents."""
        if entry.kind is FileKind.FILE and entry not in self.known:
            self.known[entry] = reader.read(entry, lambda chunk: None)
        return entry.entry(self.known.get(entry, ""))

    def _intact(self, archive: FileFacts) -> bool:
        """Whether an earlier archive is, byte for byte, as its manifest committed. Each is read once."""
        if archive not in self.intact:
            store = self.env.store
            present = not store.evicted(archive.file) and store.size(archive.file) == archive.size
            self.intact[archive] = present and _is_intact(self.env, archive)
            if not self.intact[archive]:
                self.report.say(f"{archive.file} is gone or damaged: what it held is stored again")
        return self.intact[archive]

    def _store(
        self, reader: FileReader, begun: datetime, listed: Scan, filing: ArchiveAssignment
    ) -> FilesState:
        self.report.step(Step.PACK)
        with self.env.store.create(self.name.files, self.env.codec) as file:
            packed = tarball.Tarball(file)
            for file_entry, entry in zip(listed.entries, filing.entries, strict=True):
                self._pack(reader, packed, file_entry, entry)
            packed.close()
            size, sha256 = file.end()
            if changed := listed.changed(file_scanner.scan_roots(listed_roots(self.env))):
                raise FileChanged(", ".join(changed[:3]))
            unchanged_at = self.env.ctx.clock()
            self.report.step(Step.KEEP)
            file.sync()
            self.place(file)
        return FilesState(
            roots=listed_roots(self.env),
            begun_at=begun,
            still_at=unchanged_at,
            archive=FileFacts(file=self.name.files, size=size, sha256=sha256),
            needs=filing.needs,
            entries=filing.entries,
            notes=listed.notes,
        )

    def _pack(self, reader: FileReader, tar: tarball.Tarball, source: ScannedEntry, entry: FileEntry) -> None:
        """Add an entry to the archive; a file only where no earlier archive has its bytes."""
        if entry.kind is not FileKind.FILE:
            tar.add(entry)
        elif entry.archive == self.name.files:
            digests: list[str] = []
            tar.add(entry, lambda take: digests.append(reader.read(source, take)))
            if digests != [entry.sha256]:
                raise FileChanged(entry.display_path)


def _earlier_states(env: EnvironmentContext) -> list[FilesState]:
    """The files of the backups that are not known to be bad, newest first."""
    return [
        entry.manifest.files
        for entry in catalog.newest_first(env)
        if entry.manifest and entry.manifest.files and not entry.bad
    ]


def _is_intact(env: EnvironmentContext, archive: FileFacts) -> bool:
    try:
        return env.store.content(archive.file) == (archive.size, archive.sha256)
    except LedgerError:
        return False
