"""The backup folder, with real files, links, owners and modes."""

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ledgerflow_ops.adapters.storage.cloud_placeholders import is_dataless
from ledgerflow_ops.adapters.storage.folder import Folder, check_permissions, exposed_parents
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.core.catalog.naming import DUMP, MAGIC
from ledgerflow_ops.core.checks import Severity
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops_tests import needs


@pytest.fixture
def folder(root: Path) -> Folder:
    made = Folder(root / "backups" / "dev")
    made.prepare()
    return made


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def _store(folder: Folder) -> LocalStore:
    return LocalStore(folder.path)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _dead() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_files_and_folders_are_private_whatever_the_umask(no_umask: None, root: Path) -> None:
    folder = Folder(root / "backups" / "dev")
    folder.prepare()
    with folder.partial("x.dump") as file:
        file.write(b"bytes")
        assert _mode(folder.file("x.dump.partial")) == 0o600
        folder.sync(file)
    folder.commit("x.dump")
    folder.replace("catalog.json", b"{}")
    _store(folder).put("x.manifest.json", b"{}")
    assert {_mode(path) for path in folder.path.iterdir()} == {0o600}
    assert [_mode(path) for path in (folder.path, folder.path.parent)] == [0o700, 0o700]


def test_a_folder_that_others_may_enter_is_closed_again(folder: Folder) -> None:
    folder.path.chmod(0o755)
    folder.prepare()
    assert _mode(folder.path) == 0o700


def test_a_partial_is_made_once_and_a_second_writer_is_reported(folder: Folder) -> None:
    with folder.partial("x.dump") as first:
        first.write(b"first")
        with (
            pytest.raises(LedgerError, match=r"x\.dump\.partial") as caught,
            folder.partial("x.dump"),
        ):
            pytest.fail("two writers have one file")
        assert "Another backup is writing" in caught.value.hint
    assert folder.file("x.dump.partial").read_bytes() == b"first"


def test_a_partial_is_never_written_through_a_link(folder: Folder, root: Path) -> None:
    victim = root / "victim"
    victim.write_bytes(b"precious")
    folder.file("x.dump.partial").symlink_to(victim)
    with pytest.raises(LedgerError), folder.partial("x.dump"):
        pytest.fail("it wrote through a link")
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_no_partial(folder: Folder, error: type[BaseException]) -> None:
    def fail() -> None:
        with folder.partial("x.dump") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert list(folder.path.iterdir()) == []


def test_all_bytes_of_a_large_write_arrive(folder: Folder) -> None:
    data = os.urandom(3_000_001)
    with folder.partial("x.dump") as file:
        assert file.write(data) == len(data)
    assert folder.file("x.dump.partial").read_bytes() == data


@pytest.mark.parametrize("there", ["file", "broken link", "evicted"])
def test_a_name_that_is_taken_is_never_given_again(folder: Folder, there: str) -> None:
    if there == "file":
        folder.file("x.dump").write_bytes(b"old")
    elif there == "broken link":
        folder.file("x.dump").symlink_to("nowhere")
    else:
        folder.placeholder("x.dump").write_bytes(b"placeholder")
    before = sorted(path.name for path in folder.path.iterdir())
    with pytest.raises(Refused, match="exists already"):
        _store(folder).put("x.dump", b"new")
    assert sorted(path.name for path in folder.path.iterdir()) == before
    if there == "file":
        assert folder.file("x.dump").read_bytes() == b"old"


def test_a_symlinked_folder_is_refused_and_what_it_leads_to_is_left_alone(root: Path) -> None:
    elsewhere = root / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (root / "backups").mkdir()
    (root / "backups" / "dev").symlink_to(elsewhere)
    with pytest.raises(Refused, match="symbolic link"):
        Folder(root / "backups" / "dev").prepare()
    assert _mode(elsewhere) == 0o755


def test_a_folder_of_another_user_is_refused(folder: Folder) -> None:
    needs.root()
    os.chown(folder.path, needs.account("nobody").pw_uid, -1)
    with pytest.raises(Refused, match="belongs to another user"):
        folder.prepare()


def test_a_folder_without_the_right_to_write_is_named_and_not_opened_by_force(folder: Folder) -> None:
    folder.path.chmod(0o500)
    with pytest.raises(LedgerError, match="is read-only"):
        folder.prepare()
    assert _mode(folder.path) == 0o500


def test_a_file_in_the_place_of_a_folder_is_an_error_with_its_path(root: Path) -> None:
    (root / "backups").write_bytes(b"")
    with pytest.raises(LedgerError, match=str(root / "backups")):
        Folder(root / "backups" / "dev").prepare()


def test_private_files_below_private_folders_pass(folder: Folder) -> None:
    _store(folder).put("x.dump", b"x")
    assert exposed_parents(folder.path) == []
    assert check_permissions(folder, "x.dump").passed


def test_a_readable_root_of_all_backups_is_reported(folder: Folder) -> None:
    _store(folder).put("x.dump", b"x")
    folder.path.parent.chmod(0o755)
    check = check_permissions(folder, "x.dump")
    assert (check.passed, check.severity) == (False, Severity.WARN)
    assert f"{folder.path.parent}, the root of all backups, is readable" in check.message
    assert str(check.hint) == f"chmod go-rwx {folder.path.parent}"


def test_the_hint_closes_each_folder_that_is_open_and_no_other(folder: Folder) -> None:
    _store(folder).put("x.dump", b"x")
    root, above = folder.path.parent, folder.path.parent.parent
    root.chmod(0o775)
    above.chmod(0o777)
    check = check_permissions(folder, "x.dump")
    assert str(check.hint) == f"chmod go-rwx {root}; chmod go-w {above}"
    for line in str(check.hint).split("; "):
        subprocess.run(shlex.split(line), check=True)
    assert check_permissions(folder, "x.dump").passed


@pytest.mark.parametrize(("mode", "warned"), [(0o777, True), (0o771, True), (0o1777, False), (0o755, False)])
def test_a_folder_above_that_others_may_write_is_reported_unless_it_is_sticky(
    root: Path, mode: int, warned: bool
) -> None:
    above = root / "above"
    above.mkdir()
    folder = Folder(above / "backups" / "dev")
    folder.prepare()
    above.chmod(mode)
    assert exposed_parents(folder.path) == (
        [f"group or others may replace what is in {above}"] if warned else []
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_backup_that_others_may_open_fails(folder: Folder, mode: int) -> None:
    _store(folder).put("x.dump", b"x")
    folder.file("x.dump").chmod(mode)
    check = check_permissions(folder, "x.dump")
    assert (check.passed, check.severity) == (False, Severity.ERROR)
    assert f"has mode {mode:04o}, not 0600" in check.message
    assert f"chmod 600 {folder.file('x.dump')}" in str(check.hint)


def test_a_backup_of_another_user_fails(folder: Folder) -> None:
    needs.root()
    _store(folder).put("x.dump", b"x")
    os.chown(folder.file("x.dump"), needs.account("nobody").pw_uid, -1)
    assert "belongs to uid" in check_permissions(folder, "x.dump").message


def test_a_backup_that_is_a_link_fails(folder: Folder, root: Path) -> None:
    (root / "real").write_bytes(b"x")
    (root / "real").chmod(0o600)
    folder.file("x.dump").symlink_to(root / "real")
    assert "is not a regular file" in check_permissions(folder, "x.dump").message


def test_sweep_takes_what_a_crash_left_and_nothing_else(folder: Folder) -> None:
    ours = ["x.dump.partial", "x.files.tar.zst.partial", "x.globals.sql.partial", "x.manifest.json.partial"]
    ours.append("x.proof.json.partial")
    ours.append(f".catalog.json.{_dead()}.partial")
    others = ["notes.partial", "x.dump", "x.dump.partial.kept", ".hidden.partial", "video.mp4.partial"]
    for name in [*ours, *others]:
        folder.file(name).write_bytes(b"x")
    assert sorted(folder.sweep()) == sorted(ours)
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(others)


def test_sweep_leaves_the_replacement_that_a_living_process_writes(folder: Folder) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        name = f".catalog.json.{living.pid}.partial"
        folder.file(name).write_bytes(b"x")
        assert folder.sweep() == []
        living.kill()
    assert folder.sweep() == [name]


def test_sweep_takes_a_leftover_that_was_evicted(folder: Folder) -> None:
    folder.placeholder("x.dump.partial").write_bytes(b"placeholder")
    assert folder.sweep() == ["x.dump.partial"]
    assert list(folder.path.iterdir()) == []


def test_a_placeholder_stands_for_an_evicted_file_under_its_own_name(folder: Folder) -> None:
    folder.placeholder("x.dump").write_bytes(b"placeholder")
    assert folder.evicted("x.dump")
    assert folder.names(DUMP) == ["x.dump"]


def test_a_size_without_blocks_is_a_file_of_holes_and_not_evicted(folder: Folder) -> None:
    with folder.file("x.dump").open("wb") as file:
        file.truncate(1_000_000)
    assert folder.file("x.dump").stat().st_blocks == 0
    assert not folder.evicted("x.dump")
    assert _store(folder).is_unwritten("x.dump")
    with folder.file("x.dump").open("r+b") as file:
        file.write(MAGIC)
    assert not _store(folder).is_unwritten("x.dump")


@pytest.mark.parametrize(("flags", "dataless"), [(0x40000000, True), (0x40000020, True), (0x20, False)])
def test_macos_marks_what_is_only_in_the_cloud(flags: int, dataless: bool) -> None:
    facts = SimpleNamespace(st_flags=flags, st_size=10, st_blocks=0)
    assert is_dataless(cast(os.stat_result, facts)) is dataless


@pytest.mark.parametrize("data", [b"", b"x", bytes(100_000)])
def test_a_file_that_is_here_is_not_evicted(folder: Folder, data: bytes) -> None:
    _store(folder).put("x.dump", data)
    assert not folder.evicted("x.dump")
    assert not folder.evicted("y.dump")


def test_a_replaced_file_is_the_new_one_and_nothing_else_is_left(folder: Folder) -> None:
    folder.replace("catalog.json", b"old")
    before = _store(folder).version("catalog.json")
    folder.replace("catalog.json", b"new")
    assert folder.read("catalog.json") == b"new"
    assert _store(folder).version("catalog.json") != before
    assert [path.name for path in folder.path.iterdir()] == ["catalog.json"]


def test_what_is_not_there_is_reported_with_its_path_or_not_at_all(folder: Folder) -> None:
    folder.remove("x.dump")
    assert _store(folder).version("x.dump") is None
    with pytest.raises(LedgerError, match=str(folder.file("x.dump"))):
        folder.read("x.dump")
    assert Folder(folder.path / "none").names(".dump") == []
