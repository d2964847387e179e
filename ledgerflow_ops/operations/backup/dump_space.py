"""Checks, before a byte is written, whether there is space for a dump."""

from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog.manifest import Source
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_backup

_ROOM_FOR_RECORDS = 1_000_000


def require_space(env: EnvironmentContext, database_source: Source) -> int:
    """The dump's expected size in bytes, 0 if not known; LedgerError with figures where space is short."""
    newest = next((backup for backup in summaries.present_backups(env) if not backup.bad), None)
    last = space_estimates.LastDump(newest.size, newest.database_size) if newest else None
    needed, files = space_estimates.dump_needs(database_source.size, last), files_backup.space_needed(env)
    free = env.store.free()
    if free is not None and free < needed + files + _ROOM_FOR_RECORDS:
        files_part = f", new files {format_size(files)}" if files else ""
        raise LedgerError(
            f"Not enough space in {env.store.location}: about {format_size(needed + files)} needed "
            f"(database {format_size(database_source.size)}{files_part}), {format_size(free)} free.",
            hint=Hint("Free space or set another backup_root. Nothing was written."),
        )
    return last.size if last else 0
