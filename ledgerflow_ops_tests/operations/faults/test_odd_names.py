"""Manifests and files by names that lead elsewhere or look alike, and times that are yet to come."""

import json
import os
import shutil
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.core.catalog.manifest import Manifest, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.operations import catalog, summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.retention import rotate
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import backup_tables
from ledgerflow_ops_tests.fakes.opened import opened


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    return builders.env(root, now=lambda: NOON)


@pytest.fixture
def two(env: EnvironmentContext) -> tuple[BackupName, BackupName]:
    """A backup proven an hour ago, and one proven a day ago."""
    made = [backup_tables.add_backup(env, NOON - timedelta(hours=hours), proven_at=NOON) for hours in (1, 25)]
    newer, older = (BackupName.of(manifest.dump.file) for manifest in made)
    return newer, older


def _forge(env: EnvironmentContext, name: BackupName, part: str, file: str) -> None:
    """A manifest with the digest that it would have if we had written that name into it."""
    fields: dict[str, Any] = json.loads(backup_folder_of(env).read(name.manifest))
    del fields["digest"]
    fields[part]["file"] = file
    backup_folder_of(env).file(name.manifest).write_bytes(encode_sealed(fields))


@pytest.mark.parametrize("part", ["dump", "globals"])
@pytest.mark.parametrize(
    "file",
    [
        "../away.dump",
        "/etc/passwd",
        "history/../../away.dump",
        "..",
        ".",
        "",
        "away\0.dump",
        "{folder}/away.dump",
    ],
)
def test_a_manifest_that_names_a_path_is_a_bad_record_and_nothing_is_read_there(
    env: EnvironmentContext, two: tuple[BackupName, BackupName], part: str, file: str
) -> None:
    newer, older = two
    away = backup_folder_of(env).path.parent / "away.dump"
    for place in (away, backup_folder_of(env).file("away.dump")):
        shutil.copyfile(backup_folder_of(env).file(newer.dump), place)
    _forge(env, newer, part, file.format(folder=backup_folder_of(env).path))
    with opened() as paths:
        entry = catalog.entry(env, newer)
        found = status.status(env)
        examinations = [operation(env, newer) for operation in (verify.verify, drill.drill)]
    assert (entry.state, entry.bad, entry.proven) == ("bad", True, False)
    assert entry.problem == (
        f"{newer.manifest}: not a manifest this version can read: "
        f"{part}.file: it is not the bare name of a file"
    )
    assert found.proven is not None
    assert found.proven.name == older
    assert catalog.find(env, "latest-proven") == older
    for examination in examinations:
        assert examination.bad is not None
        assert examination.bad.message == entry.problem
        assert "Restore the file from another location" in examination.bad.hint
    assert any(path.endswith(newer.manifest) for path in paths), "the audit reported nothing"
    assert [path for path in paths if "away" in path or path == "/etc/passwd"] == []


def test_a_manifest_that_commits_another_backups_dump_is_bad_and_the_other_is_not(
    env: EnvironmentContext, two: tuple[BackupName, BackupName]
) -> None:
    newer, older = two
    _forge(env, newer, "dump", older.dump)
    third = BackupName("ledgerflow_dev_20261101_0230")  # the same manifest a second time, without a dump
    shutil.copyfile(backup_folder_of(env).file(older.manifest), backup_folder_of(env).file(third.manifest))
    for name in (newer, third):
        entry = catalog.entry(env, name)
        assert (entry.state, entry.proven) == ("bad", False)
        assert entry.problem == f"{name.manifest} commits {older.dump}, another file"
        bad = verify.verify(env, name).bad
        assert bad is not None
        assert bad.message == (
            f"The manifest commits {older.dump}, not {newer.dump}: it was swapped."
            if name == newer
            else f"{third.dump} is gone from {backup_folder_of(env).path}."
        )
        assert bad.hint
    assert catalog.entry(env, older).proven
    assert {one.name.stem: one.state for one in summaries.list_dumps(env)} == {
        newer.stem: "bad",
        third.stem: "bad",
        older.stem: "valid",
    }
    assert catalog.find(env, "latest-proven") == older
    (kept,) = [one for one in rotate.plan_rotation(env).plan.decisions if one.name == older.stem]
    assert not kept.expires


@pytest.mark.parametrize("stem", ["B\u00fcro", "two\nlines", "a b", "$HOME", "-rf", "\udcff", "x" * 230])
def test_a_whole_backup_is_whole_whatever_it_is_called(
    env: EnvironmentContext, two: tuple[BackupName, BackupName], stem: str
) -> None:
    """A backup renamed with its manifest, in both normal forms of Unicode."""
    newer, _ = two
    forms = dict.fromkeys(unicodedata.normalize(form, stem) for form in ("NFC", "NFD"))
    for form in forms:
        name = BackupName(form)
        shutil.copyfile(backup_folder_of(env).file(newer.dump), backup_folder_of(env).file(name.dump))
        manifest = Manifest.decode(backup_folder_of(env).record(newer.manifest), newer.manifest)
        if form.isascii() or form.isprintable():
            facts = manifest.dump.model_copy(update={"file": name.dump})
            copy = manifest.model_copy(update={"dump": facts})
            backup_folder_of(env).file(name.manifest).write_bytes(copy.encode())
            assert catalog.entry(env, name).state == "written"
        assert catalog.find(env, name.dump) == name
    seen = {one.name.stem for one in summaries.list_dumps(env)}
    assert {*forms} <= seen
    assert status.status(env).proven is not None
    assert {one.name.stem for one in summaries.list_dumps(env)} == seen, "from the index as well"


def test_times_that_are_yet_to_come_change_nothing(env: EnvironmentContext) -> None:
    oldest, *_ = [BackupName.of(one.dump.file) for one in backup_tables.add_days(env, NOON.date(), 12)]
    later = 4_000_000_000
    for file in backup_folder_of(env).path.iterdir():
        os.utime(file, (later, later))
    assert {one.state for one in summaries.list_dumps(env)} == {"valid"}
    data = bytearray(backup_folder_of(env).read(oldest.manifest))
    data[len(data) // 2] ^= 1
    backup_folder_of(env).file(oldest.manifest).write_bytes(data)
    os.utime(backup_folder_of(env).file(oldest.manifest), (later, later))
    assert [one.name for one in summaries.list_dumps(env) if one.state == "bad"] == [oldest]
