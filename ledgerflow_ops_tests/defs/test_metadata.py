"""The metadata of a backup's files in the web page."""

from pathlib import Path

from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.core import records


def test_a_backups_files_are_counted_with_those_newly_stored(root: Path) -> None:
    state = records.files_state(("/m", "a", 10), ("/m", "b", 20))
    (*others, last) = state.entries
    older = records.archive_facts("older.files.tar.zst")
    moved = last.model_copy(update={"archive": older.file})
    state = state.model_copy(update={"needs": (older,), "entries": (*others, moved)})
    told = metadata.backup_metadata(builders.env(root), records.manifest(files=state))
    assert [told[name].value for name in ("files", "files_bytes", "files_newly_stored")] == [2, 30, 1]
    assert told["files_archive_bytes"].value == 500


def test_without_files_nothing_is_said_of_them(root: Path) -> None:
    told = metadata.backup_metadata(builders.env(root), records.manifest())
    assert not [name for name in told if name.startswith("files")]
