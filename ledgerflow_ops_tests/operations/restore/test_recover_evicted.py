"""A recovery downloads what only iCloud has, where macOS's program exists, or reports what to type."""

import shutil
from pathlib import Path

import pytest

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.operation_requests import BackupRequest, RecoverRequest
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.restore import recover
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.targets import RestoreTarget
from ledgerflow_ops_tests.operations.archive.test_evicted import BRCTL


def evict(field: RestoreTarget, *files: str) -> Path:
    """Leave these files of dev's folder to the cloud alone; returns the folder that stands for it."""
    folder, cloud = BackupFolder(backup_folder_of(field.env()).path), field.sandbox.root / "cloud"
    cloud.mkdir()
    for file in files:
        shutil.copy(folder.path / file, cloud)
        folder.evict(file)
    return cloud


def test_the_newest_is_downloaded_and_restored(field: RestoreTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its manifest is evicted as well: without that it would come last."""
    backup.backup(field.env(rules=()), BackupRequest(file="second.dump"))
    cloud = evict(field, "second.dump", "second.globals.sql", "second.manifest.json")
    program = field.sandbox.root / "bin" / "brctl"
    program.parent.mkdir()
    program.write_text(BRCTL.format(cloud=cloud))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    field.drop()
    incident, restored = recover.recover(field.env(rules=()), RecoverRequest(environment="dev"))
    assert restored.bad is None
    assert [Path(candidate.file).name for candidate in incident.candidates] == ["second.dump"]
    assert field.is_old(), "the second was taken after the mark"


def test_what_to_type_is_reported_where_it_cannot_be_downloaded(field: RestoreTarget) -> None:
    evict(field, "first.dump")
    folder = backup_folder_of(field.env()).path
    field.drop()
    with pytest.raises(LedgerError, match="Nothing is left to restore dev from") as error:
        recover.recover(field.env(stall_seconds=1), RecoverRequest(environment="dev"))
    assert "first.dump is not local: its bytes are only in the cloud." in error.value.message
    assert f"brctl download {folder / 'first.dump'}" in error.value.message
    assert (folder / ".first.dump.icloud").exists()
    assert field.names() == []
