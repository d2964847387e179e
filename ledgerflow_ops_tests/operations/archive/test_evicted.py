"""A file that only iCloud has is downloaded where macOS's program exists, or reported with what to type."""

import shutil
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.operations.verification import verify
from ledgerflow_ops_tests.operations.archive.archives import Archives

BRCTL = """#!/bin/sh
# Stands in for macOS's program: `brctl download FILE` brings an evicted file back.
[ "$1" = download ] || exit 64
folder=$(dirname "$2") name=$(basename "$2")
[ -e "{cloud}/$name" ] || exit 1
cp "{cloud}/$name" "$2" && chmod 600 "$2" && rm "$folder/.$name.icloud"
"""


@pytest.fixture
def archives(root: Path) -> Archives:
    return Archives(root, settings={"stall_seconds": 1})


def evicted(archives: Archives) -> tuple[BackupName, Path]:
    """A backup whose dump only the cloud has, and the folder that stands for the cloud."""
    name, cloud = archives.add(1), archives.root / "cloud"
    cloud.mkdir()
    shutil.copy(archives.primary.path / name.dump, cloud)
    archives.primary.evict(name.dump)
    return name, cloud


def brctl(archives: Archives, cloud: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = archives.root / "bin" / "brctl"
    program.parent.mkdir()
    program.write_text(BRCTL.format(cloud=cloud))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_it_is_downloaded_where_the_program_exists(
    archives: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, cloud = evicted(archives)
    brctl(archives, cloud, monkeypatch)
    (exists, *_) = verify.quick_checks(archives.env, name)
    assert exists.passed
    assert (archives.primary.path / name.dump).read_bytes() == (cloud / name.dump).read_bytes()


@pytest.mark.parametrize("program", [True, False])
def test_else_what_to_type_is_reported(
    archives: Archives, monkeypatch: pytest.MonkeyPatch, program: bool
) -> None:
    """There is no such program, or the cloud has lost the file."""
    name, cloud = evicted(archives)
    if program:
        (cloud / name.dump).unlink()
        brctl(archives, cloud, monkeypatch)
    with pytest.raises(CannotJudge, match=f"{name.dump} is not local") as error:
        verify.quick_checks(archives.env, name)
    assert f"brctl download {archives.primary.path / name.dump}" in error.value.hint
    assert (archives.primary.path / f".{name.dump}.icloud").exists()
