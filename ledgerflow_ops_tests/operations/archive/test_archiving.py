"""Copies in archive locations, in real folders: complete and proven there, or not called a copy."""

import shutil
import threading
from pathlib import Path
from threading import Timer

import pytest

from ledgerflow_ops.adapters.system import clock, journal_file, locks
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.archive.copies import archive_contexts, copy_in
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.operations.archive.archives import Archives


@pytest.fixture
def archives(root: Path) -> Archives:
    return Archives(root)


def test_each_proven_backup_is_copied_with_its_proof_and_counts_there(archives: Archives) -> None:
    proven, unproven = archives.add(2), archives.add(1, rung=Rung.READABLE)
    result = archives.archive()
    assert [list(one.copied) for one in result.locations] == [[proven.stem], [proven.stem]]
    for place in archives.places:
        assert archives.state(place, proven) is CopyState.GOOD
        assert archives.state(place, unproven) is CopyState.MISSING
        assert archives.copies(place) == archives.files_of(proven)
    assert archives.is_original(proven)
    copied, rule = result.checks(proven)
    assert copied.passed
    assert copied.message == f"{proven.dump}: usb (copied and read back now), far (copied and read back now)."
    assert not rule.passed
    assert "none elsewhere" in rule.message


def test_nothing_is_copied_twice(archives: Archives) -> None:
    archives.add(1)
    archives.archive()
    before = archives.versions("usb")
    again = archives.archive()
    assert [one.copied for one in again.locations] == [{}, {}]
    assert archives.versions("usb") == before


def test_an_archive_of_files_that_several_backups_need_is_copied_once_and_first(archives: Archives) -> None:
    first = archives.add(2, files=[])
    state = catalog.read_manifest(archives.env, first)
    assert state
    assert state.files
    second = archives.add(1, files=[state.files])
    archives.archive()
    assert archives.copies("usb") == archives.files_of(first) | archives.files_of(second)
    assert archives.state("usb", second) is CopyState.GOOD


def test_a_committed_copy_without_a_proof_is_read_and_proven(archives: Archives) -> None:
    """As rsync leaves it, and as make archive_roots did before."""
    name = archives.add(1)
    shutil.copytree(archives.primary.path, archives.folder("usb").path)
    (archives.folder("usb").path / name.proof).unlink()
    assert archives.state("usb", name) is CopyState.UNPROVEN
    archives.archive()
    assert archives.state("usb", name) is CopyState.GOOD


def test_one_without_a_proof_that_is_damaged_is_never_called_good(archives: Archives) -> None:
    name = archives.add(1)
    shutil.copytree(archives.primary.path, archives.folder("usb").path)
    (archives.folder("usb").path / name.proof).unlink()
    flip_bit(archives.folder("usb").path / name.dump)
    result = archives.archive()
    assert archives.state("usb", name) is CopyState.UNPROVEN
    copied, _ = result.checks(name)
    assert not copied.passed
    assert copied.cause == "location usb"
    assert f"{name.dump} is not in 1 of 2 archive locations." in copied.message
    assert "differs from the backup's" in copied.message
    assert archives.state("far", name) is CopyState.GOOD


def test_a_damaged_original_is_not_copied_and_the_others_are(archives: Archives) -> None:
    bad, good = archives.add(1), archives.add(2)
    flip_bit(archives.primary.path / bad.dump)
    result = archives.archive()
    assert archives.state("usb", bad) is not CopyState.GOOD
    assert not archives.folder("usb").path.joinpath(bad.manifest).exists()
    assert archives.state("usb", good) is CopyState.GOOD
    copied, _ = result.checks(bad)
    assert "is not what its manifest commits" in copied.message
    assert "make repair" in copied.hint
    assert [error.exit_code for error in result.troubles] == [4, 4]


def test_a_location_that_is_away_fails_alone_and_says_so(archives: Archives) -> None:
    name = archives.add(1)
    (archives.root / "usb").rmdir()
    result = archives.archive()
    assert archives.state("usb", name) is CopyState.UNKNOWN
    assert archives.state("far", name) is CopyState.GOOD
    copied, _ = result.checks(name)
    assert f"The archive location usb ({archives.root / 'usb'}) is not there." in copied.message
    assert "make archive" in copied.hint
    assert not (archives.root / "usb").exists(), "below the mount point nothing is written"
    (entry,) = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert (entry["what"], entry["result"]) == ("archive", "failed")
    (archives.root / "usb").mkdir()
    copied, _ = archives.archive().checks(name)
    assert copied.passed


class _Stuck(Recorder):
    """A reporter that never returns from the first copy, as a write to a disk that is gone never does."""

    def __init__(self) -> None:
        super().__init__()
        self.release, self.stuck = threading.Event(), False

    def step(self, step: Step) -> None:
        super().step(step)
        if step is Step.COPY_BACK and not self.stuck:
            self.stuck = True
            self.release.wait()


def test_a_location_that_hangs_is_given_up_and_the_next_one_is_served(root: Path) -> None:
    stuck = _Stuck()
    archives = Archives(root, settings={"stall_seconds": 1}, reporter=stuck)
    name = archives.add(1)
    Timer(4, stuck.release.set).start()
    try:
        result = archives.archive()
    finally:
        stuck.release.set()
    trouble = result.locations[0].trouble
    assert trouble
    assert trouble.message == "The archive location usb has made no progress for 1 seconds."
    assert archives.state("usb", name) is not CopyState.GOOD
    assert archives.state("far", name) is CopyState.GOOD
    assert archives.is_original(name)
    assert archives.archive().checks(name)[0].passed, "the next run finds no lock, and continues"


def test_a_read_only_location_is_left_to_others(archives: Archives) -> None:
    name, folder = archives.add(1), archives.folder("usb").path
    folder.mkdir()
    with disks.read_only(folder):
        copied, _ = archives.archive().checks(name)
    assert copied.passed
    assert "usb (the location is read-only: its copies are made by others)" in copied.message
    assert archives.state("usb", name) is CopyState.MISSING


def test_a_full_location_keeps_no_half_copy_and_the_next_one_is_served(archives: Archives) -> None:
    name = archives.add(1)
    with disks.small_disk(archives.root / "usb", "1m") as disk:
        filler = disks.fill(disk)
        result = archives.archive()
        copied, _ = result.checks(name)
        assert "usb: " in copied.message
        assert "No space left" in copied.message
        assert archives.state("usb", name) is not CopyState.GOOD
        assert archives.state("far", name) is CopyState.GOOD
        filler.unlink()
        assert archives.archive().checks(name)[0].passed
        assert archives.state("usb", name) is CopyState.GOOD


def test_two_runs_do_not_write_into_one_location(archives: Archives) -> None:
    name, env = archives.add(1), archives.env
    with locks.location_lock(env.ctx.settings.state_dir, env.environment, "usb", "archive", clock.now()):
        result = archives.archive()
    assert "Another operation is at work on dev's copies in usb" in str(result.locations[0].trouble)
    assert archives.state("usb", name) is CopyState.MISSING
    assert archives.state("far", name) is CopyState.GOOD


def test_a_backup_may_be_taken_and_rotated_meanwhile(archives: Archives) -> None:
    """The environment's lock is held by somebody else: copies are made all the same."""
    name, env = archives.add(1), archives.env
    with locks.environment_lock(env.ctx.settings.state_dir, env.environment, "backup", clock.now()):
        archives.archive()
    assert archives.state("usb", name) is CopyState.GOOD


def test_a_location_with_a_shorter_retention_gets_only_what_it_keeps(archives: Archives) -> None:
    names = [archives.add(ago) for ago in (1, 2, 9)]
    archives.with_settings(usb={"retention_days": 3}).archive()
    assert [archives.state("usb", name) is CopyState.GOOD for name in names] == [True, True, False]
    assert [archives.state("far", name) is CopyState.GOOD for name in names] == [True, True, True]


def test_a_location_of_another_environment_gets_nothing(archives: Archives) -> None:
    archives.add(1)
    elsewhere = archives.with_settings(usb={"environments": ["prod"]})
    assert [one.location for one in elsewhere.archive().locations] == ["far"]


def test_without_a_location_it_is_refused_with_what_to_write(root: Path) -> None:
    alone = Archives(root, locations={})
    with pytest.raises(Refused, match="No archive location is set for dev") as error:
        archiving.require_locations(alone.env)
    assert "[[locations]]" in error.value.hint


def test_folders_of_archive_roots_are_locations(root: Path) -> None:
    old = Archives(root, locations={}, archive_roots=(root / "old",))
    (root / "old").mkdir()
    name = old.add(1)
    archiving.archive_backups(old.env)
    (at,) = archive_contexts(old.env)
    assert copy_in(at, name, "").state is CopyState.GOOD


def test_a_foreign_file_in_the_way_is_left_alone(archives: Archives) -> None:
    name = archives.add(1)
    archives.folder("usb").path.mkdir(parents=True)
    (archives.folder("usb").path / name.dump).write_bytes(b"mine")
    result = archives.archive()
    copied, _ = result.checks(name)
    assert "exists already, and differs" in copied.message
    assert (archives.folder("usb").path / name.dump).read_bytes() == b"mine"


def test_the_newest_of_several_days_is_first(archives: Archives) -> None:
    names = [archives.add(ago) for ago in (3, 1, 2)]
    result = archives.archive()
    assert list(result.locations[0].copied) == [names[1].stem, names[2].stem, names[0].stem]
    assert result.touched == sorted(name.stem for name in names)
