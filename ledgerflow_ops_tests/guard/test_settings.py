"""The guard reads its settings without the library that checks them, and reads the same."""

from pathlib import Path

import pytest

from ledgerflow_ops import config, places
from ledgerflow_ops.guard.protection import protected_objects

FULL = """
backup_root = "kept"
state_dir = "/srv/state"
archive_roots = ["~/far", "/mnt/archive"]
[[locations]]
name = "usb"
kind = "folder"
url = "~/usb"
[[locations]]
name = "cloud"
kind = "s3"
url = "s3://books/backups"
[guard]
volumes = ["media", "more"]
fresh_minutes = 15
protect_every_postgres = true
[environments.dev.compose]
project = "books"
file = "/srv/books/docker-compose.yml"
service = "postgres"
[environments.prod]
retention_days = 90
"""


@pytest.mark.parametrize("text", ["", FULL, "[guard]\n", 'archive_roots = []\nbackup_root = "/x"\n'])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LEDGER_BACKUP_ROOT": "/srv/elsewhere", "LEDGER_STATE_DIR": "~/state"},
        {"LEDGER_ARCHIVE_ROOTS": '["/mnt/x"]', "LEDGER_GUARD": '{"volumes": ["y"], "fresh_minutes": 5}'},
        {"LEDGER_BACKUP_ROOT": "", "LEDGER_GUARD": ""},
    ],
)
def test_it_reads_what_the_settings_say(
    text: str, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledgerflow.toml").write_text(text)
    for name in ("LEDGER_BACKUP_ROOT", "LEDGER_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**variables, "LEDGER_CONFIG": str(tmp_path / "ledgerflow.toml")}.items():
        monkeypatch.setenv(name, value)
    settings, found = config.load(), protected_objects.configured_protection("")
    folders = (settings.backup_root, settings.state_dir, *settings.archive_folders)
    both = [str(path) for folder in folders for path in (folder, config.resolved_path(folder))]
    assert found.folders == tuple(dict.fromkeys(both))
    assert found.volumes == frozenset(settings.guard.volumes)
    assert found.fresh_minutes == settings.guard.fresh_minutes
    assert found.every_postgres is settings.guard.protect_every_postgres
    projects = {
        entry.compose.project: str(name) for name, entry in settings.environments.items() if entry.compose
    }
    assert found.projects == projects
    assert protected_objects.state_dir() == settings.state_dir
    assert found.trouble == ""


def test_a_settings_file_that_is_named_and_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_CONFIG", "/nowhere/ledgerflow.toml")
    found = protected_objects.configured_protection("")
    assert found.trouble == "LEDGER_CONFIG: no file /nowhere/ledgerflow.toml"
    assert str(places.absolute_path(Path(places.STATE_DIR))) in found.folders
