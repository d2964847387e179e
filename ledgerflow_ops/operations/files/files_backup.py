"""Files the listed folders with a dump: read while they stand still, and each file stored once."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from ledgerflow_ops.adapters.files import file_scanner, tarball
from ledgerflow_ops.adapters.files.file_scanner import Found, Reader, Survey, Unsteady
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
"""Seconds to wait before something that changed while it was read is read again."""

Result = TypeVar("Result")
Place = Callable[[NewFile], None]


def listed_roots(env: EnvironmentContext) -> tuple[str, ...]:
    """The listed folders and files."""
    return tuple(str(path) for path in env.settings.files)


def survey_files(env: EnvironmentContext) -> Survey:
    """All that lies in the listed places; LedgerError naming what is missing or may not be looked into."""
    return _retry_unsteady(lambda: file_scanner.survey(listed_roots(env)))


def space_needed(env: EnvironmentContext) -> int:
    """Bytes that the archive of files may take; LedgerError where something listed is not there."""
    if not env.settings.files:
        return 0
    seen = survey_files(env)
    sizes = {(found.root, quoted(found.path)): found.size for found in seen.files}
    return space_estimates.archive_needs(files.bytes_to_store(sizes, _earlier_states(env)), len(seen.found))


def back_up_files(env: EnvironmentContext, name: BackupName, place: Place) -> FilesState | None:
    """The files as they stand together at one instant from now on, in an archive that has its name.

    None where no files are listed. LedgerError naming what never stands still, is missing or may not be
    read. `place` gives the archive its name.
    """
    if not env.settings.files:
        return None
    env.ctx.reporter.step(Step.FILES)
    taking = _FilesBackup(env, name, place)
    state = _retry_unsteady(taking.once)
    for note in state.notes:
        env.ctx.reporter.say(note)
    return state


def _retry_unsteady(work: Callable[[], Result]) -> Result:
    """What `work` returns, which is done again a few times where something changed meanwhile."""
    for pause in _PAUSES:
        try:
            return work()
        except Unsteady:
            clock.pause(pause)
    try:
        return work()
    except Unsteady as error:
        raise LedgerError(f"{error.message} That was attempt {len(_PAUSES) + 1}.", hint=error.hint) from None


class _FilesBackup:
    """One backup's files. What was read stays known for when it has to be read again."""

    def __init__(self, env: EnvironmentContext, name: BackupName, place: Place) -> None:
        self.env, self.name, self.place = env, name, place
        self.report = env.ctx.reporter
        self.known: dict[Found, str] = {}
        self.earlier = _earlier_states(env)
        self.judged: dict[FileFacts, bool] = {}

    def once(self) -> FilesState:
        """Read everything, store what is new, and look again whether all of it is still as it was read."""
        begun = self.env.ctx.clock()
        seen = file_scanner.survey(listed_roots(self.env))
        with Reader() as reader:
            entries = [self._read(reader, found) for found in seen.found]
            intact = {held for held in files.candidate_archives(entries, self.earlier) if self._intact(held)}
            filing = files.assign_archives(entries, self.earlier, intact, self.name.files)
            return self._store(reader, begun, seen, filing)

    def _read(self, reader: Reader, found: Found) -> FileEntry:
        """An entry, with the SHA-256 of a file's bytes. Within one run the same times mean the same file."""
        if found.kind is FileKind.FILE and found not in self.known:
            self.known[found] = reader.read(found, lambda chunk: None)
        return found.entry(self.known.get(found, ""))

    def _intact(self, held: FileFacts) -> bool:
        """Whether an earlier archive is, byte for byte, what its manifest committed. Each is read once."""
        if held not in self.judged:
            store = self.env.store
            there = not store.evicted(held.file) and store.size(held.file) == held.size
            self.judged[held] = there and _is_intact(self.env, held)
            if not self.judged[held]:
                self.report.say(f"{held.file} is gone or damaged: what it held is stored again")
        return self.judged[held]

    def _store(self, reader: Reader, begun: datetime, seen: Survey, filing: ArchiveAssignment) -> FilesState:
        self.report.step(Step.PACK)
        with self.env.store.create(self.name.files, self.env.codec) as file:
            packed = tarball.Tarball(file)
            for found, entry in zip(seen.found, filing.entries, strict=True):
                self._pack(reader, packed, found, entry)
            packed.close()
            size, sha256 = file.end()
            if changed := seen.changed(file_scanner.survey(listed_roots(self.env))):
                raise Unsteady(", ".join(changed[:3]))
            still = self.env.ctx.clock()
            self.report.step(Step.KEEP)
            file.sync()
            self.place(file)
        return FilesState(
            roots=listed_roots(self.env),
            begun_at=begun,
            still_at=still,
            archive=FileFacts(file=self.name.files, size=size, sha256=sha256),
            needs=filing.needs,
            entries=filing.entries,
            notes=seen.notes,
        )

    def _pack(self, reader: Reader, packed: tarball.Tarball, found: Found, entry: FileEntry) -> None:
        """Put an entry into the archive; of a file only its bytes, and only where no earlier one has them."""
        if entry.kind is not FileKind.FILE:
            packed.add(entry)
        elif entry.archive == self.name.files:
            digests: list[str] = []
            packed.add(entry, lambda take: digests.append(reader.read(found, take)))
            if digests != [entry.sha256]:
                raise Unsteady(entry.display_path)


def _earlier_states(env: EnvironmentContext) -> list[FilesState]:
    """The files of the backups that nothing speaks against, newest first."""
    return [
        entry.manifest.files
        for entry in catalog.newest_first(env)
        if entry.manifest and entry.manifest.files and not entry.bad
    ]


def _is_intact(env: EnvironmentContext, held: FileFacts) -> bool:
    try:
        return env.store.content(held.file) == (held.size, held.sha256)
    except LedgerError:
        return False
