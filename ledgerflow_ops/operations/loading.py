"""Loads an archive for a drill or a restore, and says why it cannot be loaded."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ledgerflow_ops.adapters import loading
from ledgerflow_ops.adapters.loading import Load, Loaded
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.process import last_lines, mask
from ledgerflow_ops.adapters.refused_options import refused_options
from ledgerflow_ops.adapters.tools import Tools
from ledgerflow_ops.core import diagnosis
from ledgerflow_ops.core.errors import LedgerError, UnrestorableSource
from ledgerflow_ops.core.manifest import Manifest

_ROWS = "data"
_JOBS = max(2, min(4, os.cpu_count() or 2))
"""At least two: see decision 2."""


def load(
    tools: Tools,
    database: Database,
    file: Path,
    how: Load,
    manifest: Manifest | None,
    empty: Callable[[], None],
) -> Loaded:
    """Load `file` into `database`, which is empty; `empty` makes it so again for another try.

    Several jobs load the largest tables first. A constraint that reads another table may hold only in
    pg_dump's own order, in which one job loads: where that can be the reason, it is tried.
    """
    done = loading.load(tools, database, file, how)
    if done.code == 0 or manifest is None or done.stage != _ROWS:
        return done
    found = diagnosis.diagnose(done.errors, manifest.seal)
    if found is None or not found.by_order:
        return done
    empty()
    return loading.load(tools, database, file, replace(how, jobs=1))


def require_source(loaded: Loaded, manifest: Manifest | None) -> None:
    """UnrestorableSource when the reason why `loaded` failed lies in the database that was backed up.

    Only a backup whose bytes are the committed ones may be judged so.
    """
    found = diagnosis.diagnose(loaded.errors, manifest.seal) if manifest else None
    if found:
        raise UnrestorableSource(
            f"The source cannot be restored by anybody as it stands: {mask(found.sentence)}",
            hint=f"The file is whole; another backup will not help. Fix the source: {found.fix}",
        )


def into_target(
    tools: Tools, database: Database, file: Path, manifest: Manifest, empty: Callable[[], None]
) -> str:
    """Load `file` for a restore; what pg_restore said. LedgerError, or UnrestorableSource, when it fails."""
    with database.reached() as reached:
        how = Load(_JOBS, without=refused_options(tools, file, database))
        loaded = load(tools, reached, file, how, manifest, empty)
    if loaded.code == 0:
        return loaded.errors
    untouched = "The live database was not touched."
    try:
        require_source(loaded, manifest)
    except UnrestorableSource as error:
        raise UnrestorableSource(error.message, hint=f"{untouched} {error.hint}") from None
    raise LedgerError(
        f"pg_restore failed:\n{last_lines(loaded.errors)}",
        hint=f"{untouched} Fix what the lines above say.",
    )
