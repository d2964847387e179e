"""Takes a backup's seal, and compares the archive with it and with the source before the commit."""

from collections.abc import Callable
from dataclasses import dataclass

from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.archive import StreamedArchive
from ledgerflow_ops.adapters.inspection import extension_members, non_table_objects, source
from ledgerflow_ops.adapters.inspection.source import Inventory, Snapshot
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import memory_files
from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.comparison.non_table_objects import (
    NonTableObjects,
    SequenceReading,
    ddl_against_archive,
    non_table_against_archive,
)
from ledgerflow_ops.core.comparison.seal_comparison import rows_against_seal, source_against_archive
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SnapshotSeal:
    """The seal for the manifest, and what is needed only to compare the archive with the source."""

    seal: Seal
    non_table: NonTableObjects
    notes: tuple[str, ...]
    preloaded: tuple[str, ...] | None
    members: dict[str, str]


def take_seal(
    snapshot: Snapshot,
    rows: Inventory,
    sequences: dict[str, SequenceReading],
    moved: Callable[[int, int], object],
    *,
    full: bool,
) -> SnapshotSeal:
    """The seal of the database in its snapshot. Inventory and sequences have been read already.

    `moved` is told how many bytes of how many have been read.
    """
    connection = snapshot.connection
    contents = source.read_contents(connection, full=full, rows=rows, moved=moved)
    non_table = NonTableObjects(sequences, *non_table_objects.read_large_objects(connection, full=full))
    return SnapshotSeal(
        contents.seal,
        non_table,
        contents.notes,
        contents.preloaded,
        extension_members.extension_relations(connection),
    )


def require_complete_archive(
    sealed: SnapshotSeal,
    snapshot: Snapshot,
    streamed: StreamedArchive,
    tools: Tools,
    ddl: Callable[[], bytes],
) -> None:
    """BadBackup unless the archive holds what the source had. `ddl` returns the source's DDL."""
    with memory_files.readable_path(streamed.head) as head:
        archived = archive.read_ddl(tools, head)
    differences = [
        *rows_against_seal(sealed.seal, streamed.contents),
        *source_against_archive(sealed.seal, streamed.contents),
        *non_table_against_archive(
            sealed.non_table, non_table_objects.read_sequences(snapshot.connection), streamed.contents
        ),
        *ddl_against_archive(ddl(), archived),
    ]
    if differences:
        sentences = list(dict.fromkeys(difference.sentence for difference in differences))
        listed = "\n".join(f"  {sentence}" for sentence in sentences[:_SHOWN])
        raise BadBackup(
            f"pg_dump's archive does not hold what the database had:\n{listed}",
            hint=Hint(
                "Nothing was kept. Run the backup again; if it repeats, check memory, disk and pg_dump."
            ),
        )
