"""Loads an archive for a drill or a restore, and says why it cannot be loaded."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection import offered_extensions, tablespaces
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import Load, Loaded
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system.process import last_lines, mask
from ledgerflow_ops.core.catalog.manifest import DatabaseProperties, Manifest
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, UnrestorableSource
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.loading import extension_versions, load_errors
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
    how: Load,
    manifest: Manifest | None,
    empty: Callable[[], None],
) -> Loaded:
    """Load `file` into `database`, which is empty; `empty` makes it so again for another try.

    Several jobs load the largest tables first. A constraint that reads another table may hold only in
    pg_dump's own order, in which one job loads: where that can be the reason, it is tried. So it is where
    jobs stood in each other's way.
    """
    done = archive_loader.load(tools, database, file, how)
    if done.code == 0 or not (_is_deadlock(done) or _is_order_error(done, manifest)):
        return done
    empty()
    return archive_loader.load(tools, database, file, replace(how, jobs=1))


def _is_deadlock(done: Loaded) -> bool:
    """Whether two jobs waited for each other."""
    return load_errors.first_error(done.errors) == "deadlock detected"


def _is_order_error(done: Loaded, manifest: Manifest | None) -> bool:
    if manifest is None or done.stage != _DATA_STAGE:
        return False
    found = load_errors.diagnose(done.errors, manifest.seal)
    return found is not None and found.by_order


def require_restorable_source(loaded: Loaded, manifest: Manifest | None, database: Database) -> None:
    """UnrestorableSource when the reason why `loaded` failed lies in the database that was backed up.

    Only a backup whose bytes are the committed ones may be judged so. CannotJudge where what is missing may
    be of an extension that the server of `database` does not have in the source's version.
    """
    found = load_errors.diagnose(loaded.errors, manifest.seal) if manifest else None
    if not found or not manifest:
        return
    fix = found.fix
    if found.by_extension and manifest.seal.extensions:
        here = offered_extensions.offered(database)
        if lacking := extension_versions.missing_versions(manifest.seal.extensions, here):
            raise CannotJudge(
                f"The backup could not be restored on this machine: {mask(found.sentence)}\n{lacking}",
                hint=Hint(
                    "This says nothing of the backup. Install these versions here; then ",
                    make("restore-test"),
                ),
            )
        if update := extension_versions.update_statements(manifest.seal.extensions, here):
            fix += (
                f" A load makes extensions in their newest version: {update} shows in the source what breaks."
            )
    raise UnrestorableSource(
        f"The source cannot be restored by anybody as it stands: {mask(found.sentence)}",
        hint=Hint(f"The file is whole; another backup will not help. Fix the source: {fix}"),
    )


@dataclass(frozen=True, slots=True)
class TablespacePlacement:
    """The tablespaces of an archive's objects, and those that the target has."""

    objects: tuple[PlacedObject, ...]
    usable: frozenset[str]

    @property
    def whole(self) -> bool:
        """Whether every object can be where it was."""
        return not unavailable_tablespaces(self.objects, None, self.usable)

    def notes(self, properties: DatabaseProperties | None) -> list[Reason]:
        """What will not be where it was, for the plan; `properties` are those the database will have."""
        return list(
            tablespace_notes(self.objects, properties.tablespace if properties else None, self.usable)
        )

    def move(self, database: Database) -> None:
        """Put what can be put there where it was, one by one: pg_restore keeps every place, or none."""
        if not self.whole:
            with database.connect() as connection:
                tablespaces.move(connection, [one for one in self.objects if one.tablespace in self.usable])


def find_placement(tools: Tools, file: Path, usable: frozenset[str]) -> TablespacePlacement:
    """Where the objects of an archive are kept."""
    return TablespacePlacement(tuple(placed_objects(archive.ddl(tools, file))), usable)


def report_lines(reporter: Reporter, said: str) -> None:
    """Say what was said, line by line."""
    for line in said.splitlines():
        reporter.say(line)


def load_into_target(
    tools: Tools,
    database: Database,
    file: Path,
    manifest: Manifest,
    usable: frozenset[str],
    empty: Callable[[], None],
) -> str:
    """Load `file` for a restore; what pg_restore said. LedgerError, or UnrestorableSource, when it fails."""
    places = find_placement(tools, file, usable)
    with database.reached() as reached:
        without = refused_options(tools, file, database)
        how = Load(_JOBS, tablespaces=places.whole, without=without)
        loaded = load_archive(tools, reached, file, how, manifest, empty)
    if loaded.code == 0:
        places.move(database)
        return loaded.errors
    untouched = "The live database was not touched."
    try:
        require_restorable_source(loaded, manifest, database)
    except (UnrestorableSource, CannotJudge) as error:
        raise type(error)(error.message, hint=Hint(f"{untouched} ", error.hint)) from None
    raise LedgerError(
        f"pg_restore failed:\n{last_lines(loaded.errors)}",
        hint=Hint(f"{untouched} Fix what the lines above say."),
    )
