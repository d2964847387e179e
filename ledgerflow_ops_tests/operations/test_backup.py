"""A backup, end to end, on a real server."""

from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.rungs import Rung
from ledgerflow_ops.operations import backup, catalog, drill
from ledgerflow_ops.operations.desk import Site


def test_a_backup_is_proven_by_its_drill(site: Site) -> None:
    manifest = backup.backup(site)
    examination = drill.drill(site, BackupName.of(manifest.dump.file))
    assert [check.message for check in examination.checks if not check.passed] == []
    assert examination.rung is Rung.VALID
    assert [entry.state for entry in catalog.entries(site)] == ["valid"]
