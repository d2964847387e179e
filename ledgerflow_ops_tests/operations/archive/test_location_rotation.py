"""A location with its own retention removes what that no longer keeps, and never the last proven copy."""

from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.archive.archiving import LocationPlan
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.operations.archive.archives import Archives
from ledgerflow_ops_tests.operations.archive.test_archiving_killed import killed

DAYS = 8
SHORT = {"retention_days": 5}
"""Keeps the backups of today and the five days before."""


def filled(root: Path) -> tuple[Archives, list[BackupName]]:
    """Backups of today and the seven days before, newest first, all of them in both locations."""
    archives = Archives(root, settings={"retention_days": 30})
    names = [archives.add(ago) for ago in range(DAYS)]
    archives.archive()
    assert archives.copies("usb") == archives.copies("far")
    return archives, names


def stems(archives: Archives, place: str) -> set[str]:
    return set(archives.folder(place).stems())


def test_what_expires_there_is_removed_there_alone(root: Path) -> None:
    archives, names = filled(root)
    result = archives.with_settings(usb=SHORT).archive()
    gone = {name.stem for name in names[6:]}
    assert set(result.locations[0].removed) == {f"{stem}.dump" for stem in gone}
    assert stems(archives, "usb") == {name.stem for name in names[:6]}
    assert not [file for file in archives.copies("usb") if any(stem in file for stem in gone)]
    assert stems(archives, "far") == set(archives.primary.stems()) == {name.stem for name in names}
    *_, rotated, archived = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert (rotated["what"], rotated["location"]) == ("rotate", "usb")
    assert set(rotated["removed"]) == set(result.locations[0].removed)
    assert archived["what"] == "archive"
    again = archives.with_settings(usb=SHORT).archive()
    assert not again.locations[0].removed
    assert not again.locations[0].copied, "what its retention removed is not copied again"


def test_the_plan_lists_what_the_run_then_removes_with_copies_that_come_first(root: Path) -> None:
    archives = Archives(root, settings={"retention_days": 30})
    names = [archives.add(ago) for ago in range(1, DAYS)]
    archives.archive()
    newest = archives.add(0)
    short = archives.with_settings(usb=SHORT)
    before = archives.copies("usb")
    usb, far = archiving.plan_all(short.env)
    assert isinstance(usb, LocationPlan)
    assert isinstance(far, LocationPlan)
    assert usb.rotation
    assert [decision.name for decision in usb.copies.to_copy] == [newest.stem]
    assert [decision.name for decision in usb.rotation.plan.expired] == [names[6].stem, names[5].stem]
    assert usb.rotation.plan.expired[0].reasons[0].startswith("it is older than the window")
    assert far.rotation is None, "it follows the primary folder"
    assert archives.copies("usb") == before, "nothing is touched"
    removed = short.archive().locations[0].removed
    assert removed == [f"{decision.name}.dump" for decision in usb.rotation.plan.expired]


def test_nothing_is_planned_for_a_read_only_location(root: Path) -> None:
    archives, _ = filled(root)
    archives.add(0)
    with disks.read_only(archives.folder("usb").path):
        usb, _ = archiving.plan_all(archives.with_settings(usb=SHORT).env)
    assert isinstance(usb, LocationPlan)
    assert (usb.copies.to_copy, usb.rotation) == ((), None)


def test_the_primary_folders_rotation_leaves_it_alone(root: Path) -> None:
    archives, names = filled(root)
    shorter = Archives(root, settings={"retention_days": 5}).with_settings(usb={"retention_days": 30})
    done = rotate.carry_out_rotation(shorter.env, RotateRequest(carry_out=True))
    assert len(done.removed) == 2
    assert stems(archives, "usb") == {name.stem for name in names}
    assert stems(archives, "far") == set(archives.primary.stems()) == {name.stem for name in names[:6]}


def test_the_only_proven_copy_of_a_kept_backup_stays(root: Path) -> None:
    archives, names = filled(root)
    for place in ("primary", "far"):
        folder = archives.at(place).store.root()
        assert folder
        (folder / names[7].proof).unlink()
    archives.with_settings(usb=SHORT).archive()
    assert archives.state("usb", names[7]) is CopyState.GOOD
    assert archives.state("usb", names[6]) is CopyState.MISSING


def test_a_copy_of_a_pinned_backup_stays(root: Path) -> None:
    archives, names = filled(root)
    pins.pin_on_request(archives.env, names[7].dump, "the auditors ask for it")
    archives.with_settings(usb=SHORT).archive()
    assert archives.state("usb", names[7]) is CopyState.GOOD
    assert archives.state("usb", names[6]) is CopyState.MISSING


def test_far_more_than_a_normal_night_is_removed_only_when_confirmed(root: Path) -> None:
    archives, names = filled(root)
    shortest = archives.with_settings(usb={"retention_days": 1})
    asked = shortest.archive()
    assert (
        "its rotation has to be confirmed: 6 of 8 backups would be removed at once" in asked.locations[0].left
    )
    assert stems(archives, "usb") == {name.stem for name in names}
    assert len(shortest.archive(confirm="dev").locations[0].removed) == 6
    assert stems(archives, "usb") == {name.stem for name in names[:2]}


def test_a_bad_backup_there_does_not_move_the_window(root: Path) -> None:
    """The newest copies are lost or bad: retention measures back from the newest proven one that is left."""
    archives, names = filled(root)
    for name in names[:3]:
        flip_bit(archives.folder("usb").path / name.dump)
        (archives.folder("usb").path / name.proof).unlink()
    archives.with_settings(usb=SHORT).archive()
    assert archives.state("usb", names[7]) is CopyState.GOOD


@pytest.mark.parametrize("where", [Step.NOTE, Step.REMOVE_COPY, Step.SETTLE, f"{Step.SETTLE}#2"])
def test_one_that_is_killed_is_finished_by_the_next(root: Path, where: str) -> None:
    archives = Archives(root, locations={"usb": {}})
    names = [archives.add(ago) for ago in range(DAYS)]
    archives.archive()
    killed(archives, "archive", where, **SHORT)
    for name in names[:6]:
        assert archives.state("usb", name) is CopyState.GOOD
    archives.with_settings(usb=SHORT).archive()
    assert stems(archives, "usb") == {name.stem for name in names[:6]}
    left = {file for file in archives.copies("usb") if names[6].stem in file or names[7].stem in file}
    assert not left, "nothing of what was removed is left"
    records = archives.env.ctx.settings.state_dir / "removals" / "dev" / "usb"
    assert not list(records.iterdir())
    assert len(archives.primary.stems()) == DAYS
