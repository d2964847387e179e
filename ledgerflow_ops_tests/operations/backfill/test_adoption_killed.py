"""SIGKILL during an adoption: the next operation removes its leftovers, and no other files."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import backup_tables, killing

_NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
_LEFT = {".dump": [".dump.partial"], ".globals.sql": [".dump", ".globals.sql.partial"]}
_LEFT[".manifest.json"] = [".dump", ".globals.sql", ".manifest.json.partial"]
"""What lies there when it is killed just before a file with that ending gets its name."""


def files_of(env: EnvironmentContext) -> set[str]:
    return {one.name for one in backup_folder_of(env).path.iterdir() if one.is_file()}


@pytest.mark.parametrize("ending", _LEFT)
def test_the_next_operation_sweeps_what_it_left_and_keeps_a_strangers(root: Path, ending: str) -> None:
    away, recorder = builders.env(root / "away", now=lambda: NOON), Recorder()
    env = builders.env(root, now=lambda: NOON, reporter=recorder)
    manifest = backup_tables.add_backup(away, NOON - timedelta(days=1))
    name = BackupName.of(manifest.dump.file)
    killing.kill_at("adopt", f"naming {ending}", root, _NO_DATABASE)
    left = [f"{name.stem}{one}" for one in _LEFT[ending]]
    record = f".{name.stem}.making.json"
    assert files_of(env) == {*left, record}

    stranger = BackupName("ledgerflow_dev_20200229_0230")
    shutil.copyfile(backup_folder_of(away).file(name.dump), backup_folder_of(env).file(stranger.dump))
    if ending == ".manifest.json":  # the same bytes, put there by somebody, are not what was left
        shutil.copyfile(backup_folder_of(away).file(name.globals), backup_folder_of(env).file("aside"))
        backup_folder_of(env).file("aside").rename(backup_folder_of(env).file(name.globals))
    (entry,) = catalog.newest_first(away)
    assert adoption.adopt_copy(env, away, entry) == manifest
    swept = {said.split(":")[0].removeprefix("swept ") for said in recorder.said}
    assert swept == {*left} - ({name.globals} if ending == ".manifest.json" else set())
    assert files_of(env) == {
        name.dump,
        name.globals,
        name.manifest,
        stranger.dump,
    }
    assert audit.audit(env).faults == ()
    assert {one.name.stem: one.state for one in catalog.entries(env)} == {
        name.stem: "written",
        stranger.stem: "no manifest",
    }
