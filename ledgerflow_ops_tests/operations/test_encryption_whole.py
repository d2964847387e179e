"""Other operations with encrypted backups: rotation, quarantine, watch, recovery; kills; no secret told."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.operation_requests import RecoverRequest, RotateRequest
from ledgerflow_ops.operations import catalog, removal_history
from ledgerflow_ops.operations.cleanup import leftover_report
from ledgerflow_ops.operations.monitoring import drift_detection
from ledgerflow_ops.operations.restore import recover
from ledgerflow_ops.operations.retention import pins, quarantine, rotate
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import age_keys, killing, sandboxes, targets
from ledgerflow_ops_tests.fakes.age_keys import Key
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server


@pytest.fixture
def key(root: Path) -> Key:
    return age_keys.new_key(root / "key.txt")


def test_rotation_removes_encrypted_and_plain_files_alike(root: Path) -> None:
    folder = root / "backups" / "dev"
    plain, encrypted = BackupFolder(folder), BackupFolder(folder, encrypted=True)
    for days in range(12, -1, -1):
        (encrypted if days % 2 else plain).add_backup(NOON - timedelta(days=days))
    env = builders.env(root, now=lambda: NOON, expire_share=1.0)
    rotated = rotate.carry_out_rotation(env, RotateRequest(carry_out=True))
    assert len(rotated.removed) == 5
    left = [file for file in _names(folder) if any(stem in file for stem in rotated.removed)]
    assert left == []
    files = {backup.name.dump for backup in removal_history.removed_backups(env)}
    assert {file.endswith(".dump.age") for file in files} == {True, False}
    assert len(catalog.entries(env)) == 8


def test_quarantine_takes_every_encrypted_file_and_gives_it_back(root: Path) -> None:
    folder = BackupFolder(root / "backups" / "dev", encrypted=True)
    manifest = folder.add_backup(NOON)
    env, stem = builders.env(root, now=lambda: NOON), BackupName.of(manifest.dump.file).stem
    before = {file for file in _names(folder.path) if file.startswith(stem)}
    record = quarantine.quarantine(env, f"{stem}.dump", "a test", manifest.dump.file)
    assert record.file == manifest.dump.file
    assert [file for file in _names(folder.path) if file.startswith(stem)] == []
    quarantine.undo(env, manifest.dump.file)
    assert {file for file in _names(folder.path) if file.startswith(stem)} == before
    pin = pins.pin(env, catalog.find(env, f"{stem}.dump"), "a test")
    assert pin.file == manifest.dump.file


def test_a_lost_dump_is_named_as_it_was(root: Path) -> None:
    folder = BackupFolder(root / "backups" / "dev", encrypted=True)
    manifest = folder.add_backup(NOON)
    env = builders.env(root, now=lambda: NOON)
    assert [finding.kind for finding in drift_detection.detect_drift(env)[1]] == []
    (folder.path / manifest.dump.file).unlink()
    (entry,) = catalog.entries(env)
    assert entry.problem == f"{manifest.dump.file} is gone"
    assert "removed" in [finding.kind for finding in drift_detection.detect_drift(env)[1]]


@pytest.fixture
def in_variables(key: Key, monkeypatch: pytest.MonkeyPatch) -> Key:
    """The key in the variables of this process, for the programs that it starts."""
    monkeypatch.setenv("LEDGER_DEV_RECIPIENTS", key.recipient)
    monkeypatch.setenv("LEDGER_DEV_IDENTITY_FILE", str(key.file))
    return key


@pytest.mark.parametrize(
    ("what", "where", "left"),
    [
        ("backup", "150000 bytes", 0),
        ("backup", "commit", 1),
        ("backup", "read back", 1),
        ("drill", "compare", 1),
    ],
)
def test_a_kill_leaves_no_plain_text_and_the_next_backup_is_proven(
    sandbox: Sandbox, in_variables: Key, what: str, where: str, left: int
) -> None:
    ground = sandbox.with_files()
    if what == "drill":
        sandboxes.take_backup(ground.env())
    url, media = builders.database_url(ground.database), str(ground.root / "media")
    killing.kill_at(what, where, ground.root, url, media)
    assert len(ground.entries()) == left
    env = ground.env()
    checks = leftover_report.leftover_checks(env.ctx, [env])
    assert checks
    assert ground.traces(ground.drill_keys()) == [], "the report has swept what the drill had left"
    assert _plain_archives(ground.root) == []
    sandboxes.prove_backup(env, sandboxes.take_backup(env))
    assert all(file.endswith((".age", ".json")) for file in ground.files() if file.startswith("ledgerflow_"))


def test_a_recovery_from_an_archive_and_no_secret_in_any_record(root: Path, server: Server, key: Key) -> None:
    with targets.restore_target(root, server, **key.settings) as field:
        folder = backup_folder_of(field.env()).path
        shutil.copytree(folder, root / "archive" / "dev")
        shutil.rmtree(folder)
        field.drop()
        archive = {"archive_roots": (root / "archive",)}
        env = sandboxes.with_settings(field.env(), **archive)
        incident, restored = recover.recover(env, RecoverRequest(environment="dev"))
        assert (incident.outcome, restored.bad) == ("RECOVERED", None)
        assert not field.is_old()
        secret = key.identity.removeprefix("AGE-SECRET-KEY-1").encode()
        told = [file for file in _files(root) if secret in file.read_bytes()]
        assert told == [key.file]


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def _files(folder: Path) -> list[Path]:
    paths = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return [path for path in paths if path.is_file()]


def _plain_archives(folder: Path) -> list[Path]:
    """The files below `folder` that begin as an archive of pg_dump."""
    return [file for file in _files(folder) if file.read_bytes().startswith(b"PGDMP")]
