"""Loads an archive for a drill or a restore, and explains why one cannot be loaded."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.archive_head import definitions_path
from ledgerflow_ops.adapters.inspection import offered_extensions, tablespaces
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import LoadOptions, LoadResult
from ledgerflow_ops.adapters.load.load_progress import LoadProgress
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.system.process import last_lines, mask_secrets
from ledgerflow_ops.core.catalog.manifest import DatabaseProperties, Manifest
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, UnrestorableSource
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.loading import extension_versions, load_errors, load_failure
from ledgerflow_ops.core.loading.tablespaces import (
    PlacedObject,
    placed_objects,
    tablespace_notes,
    unavailable_tablespaces,
)
from ledgerflow_ops.core.progress import Reporter
from ledgerflow_ops.core.restore.compatibility import Reason

_DATA_STAGE = "data"
_JOBS = max(2, min(4, os.cpu_count() or 2))
"""At least two: see decision 2."""


def load_archive(
    tools: Tools,
    database: Database,
    file: Path,
    how: LoadOptions,
    manifest: Manifest | None,
    empty: Callable[[], None],
    progress: LoadProgress,
) -> LoadResult:
    """Load `file` into `database`, which is empty. `empty` empties it again for a second attempt.

    `progress` reports the database's size while it grows, with the source's size as the expected one, and
    what pg_restore prints.

    Several jobs load the largest tables first. A constraint that reads another table may hold only in
    pg_dump's own order, in which a single job loads. Where that can be the reason of a failure, or jobs
    deadlocked, the archive is loaded again by one job.
    """
    expected = manifest.source.size if manifest else None
    watcher = progress.watcher(database.parameters["dbname"], expected)
    how = replace(how, progress=watcher, printed=progress.reporter.printed)
    loaded = archive_loader.load_archive(tools, database, file, how)
    if loaded.code == 0 or not (_is_deadlock(loaded) or _is_order_error(loaded, manifest)):
        return loaded
    empty()
    return archive_loader.load_archive(tools, database, file, replace(how, jobs=1))


def _is_deadlock(loaded: LoadResult) -> bool:
    """Whether two jobs deadlocked."""
    return load_failure.first_error(loaded.errors) == "deadlock detected"


def _is_order_error(loaded: LoadResult, manifest: Manifest | None) -> bool:
    if manifest is None or loaded.stage != _DATA_STAGE:
        return False
    diagnosis = load_errors.diagnose(loaded.errors, manifest.seal)
    return diagnosis is not None and diagnosis.by_order


def require_restorable_source(loaded: LoadResult, manifest: Manifest | None, database: Database) -> None:
    """UnrestorableSource when `loaded` failed because of the database that was backed up.

    Call it only for a backup whose bytes are the committed ones. CannotJudge where the failure may be due to
    an extension that the server of `database` does not have in the source's version.
    """
    diagnosis = load_errors.diagnose(loaded.errors, manifest.seal) if manifest else None
    if not diagnosis or not manifest:
        return
    fix = diagnosis.fix
    if diagnosis.by_extension and manifest.seal.extensions:
        offered = offered_extensions.offered_versions(database)
        if missing := extension_versions.missing_versions(manifest.seal.extensions, offered):
            raise CannotJudge(
                f"The backup could not be restored on this machine: {mask_secrets(diagnosis.sentence)}\n"
                f"{missing}",
                hint=Hint(
                    "This says nothing about the backup. Install these versions here; then ",
                    make("restore-test"),
                ),
            )
        if update := extension_versions.update_statements(manifest.seal.extensions, offered):
            fix += f" A load creates extensions in their newest version: {update} shows what fails."
    raise UnrestorableSource(
        f"The source cannot be restored by anybody as it is: {mask_secrets(diagnosis.sentence)}",
        hint=Hint(f"The file is whole; another backup will not help. Fix the source: {fix}"),
    )


@dataclass(frozen=True, slots=True)
class TablespacePlacement:
    """The tablespaces of an archive's objects, and the `usable` ones of the target."""

    objects: tuple[PlacedObject, ...]
    usable: frozenset[str]

    @property
    def complete(self) -> bool:
        """Whether every object can go into its former tablespace."""
        return not unavailable_tablespaces(self.objects, None, self.usable)

    def notes(self, properties: DatabaseProperties | None) -> list[Reason]:
        """Notes for the plan about objects that change tablespace. `properties` are the new database's."""
        return list(
            tablespace_notes(self.objects, properties.tablespace if properties else None, self.usable)
        )

    def move(self, database: Database) -> None:
        """Move objects into their tablespaces one by one: pg_restore can only keep all of them, or none."""
        if not self.complete:
            with database.connect() as connection:
                tablespaces.move_objects(
                    connection, [placed for placed in self.objects if placed.tablespace in self.usable]
                )


def find_placement(tools: Tools, file: Path, usable: frozenset[str]) -> TablespacePlacement:
    """The tablespaces of an archive's objects."""
    return TablespacePlacement(tuple(placed_objects(archive.read_ddl(tools, file))), usable)


def report_lines(reporter: Reporter, output: str) -> None:
    """Report a program's output line by line."""
    for line in output.splitlines():
        reporter.say(line)


def load_into_target(
    tools: Tools,
    database: Database,
    dump: StoredFile,
    manifest: Manifest,
    usable: frozenset[str],
    empty: Callable[[], None],
    progress: LoadProgress,
) -> None:
    """Load `dump` for a restore, and report pg_restore's output. LedgerError (UnrestorableSource,
    CannotJudge) when it fails. An encrypted dump is streamed: its data meets no disk but the server's."""
    with database.reached() as reached, definitions_path(tools, dump) as file:
        places = find_placement(tools, file, usable)
        without = refused_options(tools, file, database)
        data = None if dump.is_program_readable else dump
        options = LoadOptions(_JOBS, tablespaces=places.complete, without=without, data=data)
        loaded = load_archive(tools, reached, file, options, manifest, empty, progress)
    if loaded.code == 0:
        places.move(database)
        return report_lines(progress.reporter, loaded.errors)
    untouched = "The live database was not touched."
    try:
        require_restorable_source(loaded, manifest, database)
    except (UnrestorableSource, CannotJudge) as error:
        raise type(error)(error.message, hint=Hint(f"{untouched} ", error.hint)) from None
    raise LedgerError(
        f"pg_restore failed:\n{last_lines(loaded.errors)}",
        hint=Hint(f"{untouched} Fix what the lines above say."),
    )
