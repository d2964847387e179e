"""A location with its own retention removes what that no longer keeps, and never the last proven copy."""

from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import clock, journal_file, locks
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, Refused
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.retention import location_rotations, pins, rotate
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
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
    result = archives.with_settings(usb=SHORT).rotate()
    gone = {name.stem for name in names[6:]}
    assert [outcome.location for outcome in result.locations] == ["usb"], "far follows the primary folder"
    assert set(result.locations[0].removed) == {f"{stem}.dump" for stem in gone}
    assert stems(archives, "usb") == {name.stem for name in names[:6]}
    assert not [file for file in archives.copies("usb") if any(stem in file for stem in gone)]
    assert stems(archives, "far") == set(archives.primary.stems()) == {name.stem for name in names}
    *_, part, whole = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert (part["what"], part["location"]) == ("rotate", "usb")
    assert set(part["removed"]) == set(result.locations[0].removed)
    assert (whole["what"], whole["removed"]) == ("rotate", []), "nothing left the primary folder"
    [noted] = whole["locations"]
    assert (noted["location"], noted["removed"]) == ("usb", list(result.locations[0].removed))
    assert (noted["expire"], noted["keep"], noted["left"], noted["error"]) == (2, 6, "", None)
    short = archives.with_settings(usb=SHORT)
    assert not short.archive().locations[0].copied, "what its retention removed is not copied again"
    assert not short.rotate().locations[0].removed


def test_a_run_of_the_archive_removes_nothing(root: Path) -> None:
    archives, names = filled(root)
    archives.with_settings(usb=SHORT).archive()
    assert stems(archives, "usb") == {name.stem for name in names}


def test_the_plan_lists_what_the_rotation_then_removes(root: Path) -> None:
    archives, names = filled(root)
    short = archives.with_settings(usb=SHORT)
    before = archives.copies("usb")
    [usb] = location_rotations.plan_locations(short.env)
    assert usb.planned
    assert [decision.name for decision in usb.planned.plan.expired] == [names[7].stem, names[6].stem]
    assert usb.planned.plan.expired[0].reasons[0].startswith("it is older than the window")
    assert len(usb.planned.plan.decisions) == DAYS, "what is kept has its reasons, too"
    assert archives.copies("usb") == before, "nothing is touched"
    removed = short.rotate().locations[0].removed
    assert list(removed) == [usb.planned.files[decision.name] for decision in usb.planned.plan.expired]


def test_nothing_is_planned_or_removed_in_a_read_only_location(root: Path) -> None:
    archives, names = filled(root)
    short = archives.with_settings(usb=SHORT)
    with disks.read_only(archives.folder("usb").path):
        [planned] = location_rotations.plan_locations(short.env)
        [done] = short.rotate().locations
    for usb in (planned, done):
        assert (usb.planned, usb.removed, usb.trouble) == (None, (), None)
        assert usb.left == "it is read-only: others remove its copies"
    assert stems(archives, "usb") == {name.stem for name in names}


def test_a_location_that_is_away_stops_no_rotation_and_is_named(root: Path) -> None:
    archives, names = filled(root)
    short = archives.with_settings({"retention_days": 5}, usb=SHORT, far=SHORT)
    (root / "usb").rename(root / "unmounted")
    planned, _ = location_rotations.plan_locations(short.env)
    done = short.rotate()
    usb, far = done.locations
    for outcome in (planned, usb):
        assert outcome.trouble
        assert (
            outcome.left == outcome.trouble.message == f"The archive location usb ({root}/usb) is not there."
        )
        assert "Is its disk mounted" in str(outcome.trouble.hint)
    assert (len(done.removed), len(far.removed)) == (2, 2)
    *_, noted = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert noted["locations"][0]["error"]["message"] == usb.left
    assert noted["result"] == "ok"
    (root / "unmounted").rename(root / "usb")
    assert len(short.rotate().locations[0].removed) == 2
    assert stems(archives, "usb") == {name.stem for name in names[:6]}


def test_a_location_where_copies_are_made_now_is_left(root: Path) -> None:
    archives, names = filled(root)
    short = archives.with_settings(usb=SHORT)
    state_dir = archives.env.ctx.settings.state_dir
    with locks.location_lock(state_dir, Environment.DEV, "usb", "archive", clock.now()):
        [usb] = short.rotate().locations
    assert isinstance(usb.trouble, Busy)
    assert stems(archives, "usb") == {name.stem for name in names}


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
    archives.with_settings(usb=SHORT).rotate()
    assert archives.state("usb", names[7]) is CopyState.GOOD
    assert archives.state("usb", names[6]) is CopyState.MISSING


def test_a_copy_of_a_pinned_backup_stays(root: Path) -> None:
    archives, names = filled(root)
    pins.pin_on_request(archives.env, names[7].dump, "the auditors ask for it")
    archives.with_settings(usb=SHORT).rotate()
    assert archives.state("usb", names[7]) is CopyState.GOOD
    assert archives.state("usb", names[6]) is CopyState.MISSING


def test_far_more_than_a_normal_night_is_removed_only_when_confirmed(root: Path) -> None:
    archives, names = filled(root)
    shortest = archives.with_settings(usb={"retention_days": 1})
    [asked] = shortest.rotate().locations
    assert "its rotation has to be confirmed: 6 of 8 backups would be removed at once" in asked.left
    assert stems(archives, "usb") == {name.stem for name in names}
    for confirmed in ("", "prod"):
        with pytest.raises(Refused) as refused:
            location_rotations.require_confirmed(shortest.env, [asked], confirmed)
        assert "This rotation of dev has to be confirmed for usb: 6 of 8" in refused.value.message
        assert "make rotate CONFIRM=dev" in str(refused.value.hint)
    [done] = shortest.rotate("dev").locations
    location_rotations.require_confirmed(shortest.env, [done], "dev")
    assert (len(done.removed), done.left) == (6, "")
    assert stems(archives, "usb") == {name.stem for name in names[:2]}


def test_a_bad_backup_there_does_not_move_the_window(root: Path) -> None:
    """The newest copies are lost or bad: retention measures back from the newest proven one that is left."""
    archives, names = filled(root)
    for name in names[:3]:
        flip_bit(archives.folder("usb").path / name.dump)
        (archives.folder("usb").path / name.proof).unlink()
    archives.with_settings(usb=SHORT).rotate()
    assert archives.state("usb", names[7]) is CopyState.GOOD


@pytest.mark.parametrize("where", [Step.NOTE, Step.REMOVE_COPY, Step.SETTLE, f"{Step.SETTLE}#2"])
def test_one_that_is_killed_is_finished_by_the_next(root: Path, where: str) -> None:
    archives = Archives(root, locations={"usb": {}})
    names = [archives.add(ago) for ago in range(DAYS)]
    archives.archive()
    killed(archives, "rotate", where, **SHORT)
    for name in names[:6]:
        assert archives.state("usb", name) is CopyState.GOOD
    archives.with_settings(usb=SHORT).rotate()
    assert stems(archives, "usb") == {name.stem for name in names[:6]}
    left = {file for file in archives.copies("usb") if names[6].stem in file or names[7].stem in file}
    assert not left, "nothing of what was removed is left"
    records = archives.env.ctx.settings.state_dir / "removals" / "dev" / "usb"
    assert not list(records.iterdir())
    assert len(archives.primary.stems()) == DAYS


def test_plans_and_journal_name_the_real_file_of_an_encrypted_backup(root: Path) -> None:
    archives = Archives(root, locations={"usb": {}}, settings={"retention_days": 30})
    folder = BackupFolder(archives.primary.path, encrypted=True)
    files = [folder.add_backup(clock.now() - timedelta(days=ago)).dump.file for ago in range(DAYS)]
    assert all(file.endswith(".dump.age") for file in files)
    archives.archive()
    short = archives.with_settings({"retention_days": 5}, usb=SHORT)
    [usb] = location_rotations.plan_locations(short.env)
    assert usb.planned
    for plan in (rotate.plan_rotation(short.env).as_json(), usb.planned.as_json()):
        assert [item["file"] for item in plan["backups"]] == files
    done = short.rotate()
    *_, noted = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert set(noted["removed"]) == set(done.locations[0].removed) == set(files[6:])
