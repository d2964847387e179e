"""SIGKILL at every step of a copy: no incomplete copy is called good, and the next run completes it."""

import json
from pathlib import Path

import pytest

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import PARTIAL, BackupName
from ledgerflow_ops.core.progress import ARCHIVE_STEPS, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops_tests.fakes import age_keys, killing
from ledgerflow_ops_tests.operations.archive.archives import Archives

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
WHERE = [
    *ARCHIVE_STEPS,
    *(f"{step}#2" for step in ARCHIVE_STEPS[1:-1]),
    f"{Step.COPY}#4",
    "naming .globals.sql",
    "naming .dump",
    "naming .manifest.json",
]
"""At the first file and copy, at the second, at the second backup, and just before a name is given."""
ENCRYPTED = [
    *(Step.COPY, Step.COPY_BACK, Step.COPY_PROOF, Step.COPY_COMMIT),
    *(f"{Step.COPY_BACK}#2", f"{Step.COPY}#4", Step.JOURNAL),
    *(f"naming {ending}.age" for ending in (".files.tar.zst", ".globals.sql", ".dump")),
]
"""Likewise for encrypted backups, whose files have other names; the copying process has no key."""


def killed(archives: Archives, what: str, where: str, **usb: int) -> None:
    """The operation in a process of its own, killed at that step. `usb` are the location's settings."""
    listed = [{"name": "usb", "kind": "folder", "url": str(archives.root / "usb"), **usb}]
    killing.kill_at(what, where, archives.root, NOWHERE, LEDGER_LOCATIONS=json.dumps(listed))


@pytest.mark.parametrize("where", WHERE)
def test_a_copy_killed_at_any_step_is_completed_by_the_next_run(root: Path, where: str) -> None:
    copy_and_complete(Archives(root, locations={"usb": {}}), where)


@pytest.mark.parametrize("where", ENCRYPTED)
def test_a_killed_copy_of_encrypted_backups_is_completed_and_opens_with_the_key(
    root: Path, where: str
) -> None:
    key = age_keys.new_key(root / "key.txt")
    archives = Archives(root, locations={"usb": {}}, recipients=(key.recipient,))
    names = copy_and_complete(archives, where)
    data = {file: stored for file, stored in archives.copies("usb").items() if not file.endswith(".json")}
    assert len(data) == 3 * len(names)
    assert all(stored.startswith(b"age-encryption.org/v1\n") for stored in data.values())
    usb = archives.with_settings(key.settings).at("usb")
    for name in names:
        assert usb.file(name.dump).read().startswith(b"dump of ")
        assert usb.file(name.globals).read() == b"CREATE ROLE owner;\n"


def copy_and_complete(archives: Archives, where: str) -> list[BackupName]:
    """Copy two backups, killed at `where`, then again: nothing incomplete is good, and both are whole."""
    names = [archives.add(2, files=[]), archives.add(1, files=[])]
    whole = {**archives.files_of(names[0]), **archives.files_of(names[1])}
    killed(archives, "archive", where)

    for name in names:
        good = archives.state("usb", name) is CopyState.GOOD
        assert good == (archives.folder("usb").path / name.manifest).exists(), "the manifest is the commit"
        if good:
            assert archives.files_of(name).items() <= archives.copies("usb").items()
        assert archives.is_original(name)
    present = archives.copies("usb")
    assert all(whole[file] == data for file, data in present.items() if not file.endswith(PARTIAL))

    result = archives.archive()
    assert archives.copies("usb") == whole, "something was left, or is missing"
    assert all(archives.state("usb", name) is CopyState.GOOD for name in names)
    assert not result.troubles
    assert all(entry.proven for entry in catalog.entries(archives.at("usb")))
    return names
