"""What the backups take in each location, what came lately, and what retention will free."""

import shutil
from pathlib import Path

from ledgerflow_ops.operations.archive.copies_record import read_record
from ledgerflow_ops.operations.archive.storage_report import measure_storage
from ledgerflow_ops.operations.monitoring.location_checks import location_checks
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops_tests.operations.archive.archives import Archives


def test_bytes_growth_and_what_retention_frees_in_each_location(root: Path) -> None:
    archives = Archives(root, settings={"retention_days": 7})
    names = [archives.add(ago) for ago in (0, 1, 2, 20)]
    archives.archive()
    (archives.primary.path / "notes.txt").write_bytes(b"mine")
    longer = archives.with_settings(usb={"retention_days": 30}).env
    shutil.rmtree(root / "far")
    usages = measure_storage([longer])
    primary, usb, far = usages
    size = sum(len(data) for data in archives.copies("usb").values())
    assert (primary.location, primary.backups, primary.size, primary.added) == ("primary", 4, size, size)
    assert primary.other == 4
    gone = archives.primary.path / names[3].dump
    assert (primary.expiring, primary.frees) == (1, gone.stat().st_size)
    assert (usb.location, usb.backups, usb.size, usb.expiring, usb.frees) == ("usb", 4, size, 0, 0)
    assert far.trouble == f"{root / 'far'} is not there."
    assert far.as_json()["size"] is None


def test_a_location_that_follows_the_primary_folder_frees_what_that_expires(root: Path) -> None:
    archives = Archives(root, settings={"retention_days": 7})
    for ago in (0, 1, 2, 20):
        archives.add(ago)
    archives.archive()
    primary, usb, _ = measure_storage([archives.env])
    assert (usb.expiring, usb.frees) == (primary.expiring, primary.frees) == (1, primary.frees)


def test_doctor_says_which_locations_answer_and_whether_they_can_meet_the_rule(root: Path) -> None:
    archives = Archives(root)
    archives.add(1)
    archives.archive()
    shutil.rmtree(root / "far")
    usb, far, rule = location_checks(archives.env)
    assert (usb.passed, usb.message) == (True, f"{root / 'usb' / 'dev'}: 1 backup")
    assert (far.passed, far.cause) == (False, "away")
    assert "is not there" in far.message
    assert not rule.passed
    assert "The 3-2-1 rule cannot be met with primary, usb, far: " in rule.message
    assert "none elsewhere" in rule.message
    assert list(location_checks(Archives(root, locations={}).env)) == []
    offsite = archives.with_settings(far={"offsite": True})
    assert "none elsewhere" not in [*location_checks(offsite.env)][-1].message


def test_status_says_what_the_last_run_saw_and_asks_no_location(root: Path) -> None:
    archives = Archives(root)
    name = archives.add(1)
    assert status.status(archives.env).copies is None
    archives.archive()
    shutil.rmtree(root / "usb")
    shutil.rmtree(root / "far")
    copies = status.status(archives.env).copies
    assert copies
    assert copies == read_record(archives.env)
    assert (copies.file, copies.copied, copies.rule) == (name.dump, True, False)
    assert copies.message.startswith(f"{name.dump} does not meet the 3-2-1 rule: ")
    assert status.status(Archives(root, locations={}).env).copies is None
