"""The watch on real folders: what was done to them from outside, what is missing, what is told of disks."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters import locks
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.alerts import Finding, Level
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.forecast import Measurement
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.proof import Verdict
from ledgerflow_ops.operations import catalog, drill, measuring, standing, summaries, watch
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import catalogs, disks, grounds

DAYS = 12
MORNING = NOON.replace(hour=3)


def site_of(root: Path, now: datetime = MORNING, **fields: Any) -> Site:
    """An environment with a schedule; nobody connects to its database unless something is late."""
    nowhere = Database({"host": "127.0.0.1", "port": "1", "user": "x", "dbname": "books"})
    fields = {"scheduled": True, "rules": [], **fields}
    return builders.site(root, nowhere, now=lambda: now, **fields)


@pytest.fixture
def site(root: Path) -> Site:
    """Twelve days of proven backups, the last one this morning, looked at once."""
    made = site_of(root)
    catalogs.days(made, NOON.date(), DAYS)
    made.folder.path.parent.chmod(0o700)
    assert watch.look(made) == []
    return made


def at(site: Site, now: datetime) -> Site:
    return replace(site, desk=replace(site.desk, clock=lambda: now))


def told(found: list[Finding]) -> list[tuple[str, str, Level]]:
    return [(one.kind, one.subject, one.level) for one in found]


def names(site: Site) -> list[BackupName]:
    return [entry.name for entry in catalog.newest_first(site)]


def test_what_we_do_ourselves_is_no_drift(site: Site) -> None:
    """A new backup, a drill of an old one, a rotation that leaves the manifest in the history."""
    later = at(site, MORNING + timedelta(days=1))
    catalogs.put(
        later, MORNING + timedelta(days=1), size=4100, proven_at=MORNING + timedelta(days=1),
        rows=[1000 * number + 13 * number for number in range(1, 25)],
    )  # fmt: skip
    old = names(site)[3]
    manifest = catalog.read_manifest(site, old)
    assert manifest is not None
    catalogs.prove(site, manifest, MORNING)
    gone = names(site)[-1]
    history = site.folder.path / "history"
    history.mkdir(mode=0o700)
    site.folder.file(gone.manifest).rename(history / gone.manifest)
    for file in (gone.dump, gone.globals, gone.proof):
        site.folder.file(file).unlink()
    assert watch.look(later) == []
    assert watch.look(at(later, MORNING + timedelta(days=1, hours=1))) == []


def test_a_backup_that_somebody_removed_is_told_for_a_week(site: Site) -> None:
    name = names(site)[2]
    for file in (name.dump, name.manifest, name.globals, name.proof):
        site.folder.file(file).unlink()
    (found,) = watch.look(site)
    assert told([found]) == [("removed", name.dump, Level.CRITICAL)]
    for file in (name.dump, name.manifest, name.globals):
        assert file in found.message
    assert "No rotation took it." in found.message
    again = [one for one in watch.look(site) if one.kind == "removed"]
    assert again == [found]
    week = at(site, MORNING + timedelta(days=7))
    assert not [one for one in watch.look(week) if one.kind == "removed"]


@pytest.mark.parametrize(
    ("memory", "gone"), [("dev.json", False), ("dev.files.json", False), ("dev.files.json", True)]
)
def test_a_memory_that_cannot_be_read_is_told(site: Site, memory: str, gone: bool) -> None:
    """Else a backup that was removed meanwhile would be missed by nobody."""
    file = site.desk.settings.state_dir / "watch" / memory
    if gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3])
    for left in site.folder.path.glob(f"{names(site)[4].stem}*"):
        left.unlink()
    [found] = watch.look(site)
    assert (found.kind, found.level) == ("forgotten", Level.WARNING)
    assert memory in found.message
    assert watch.look(site) == []


def test_a_removed_backup_that_comes_back_is_well_again(site: Site) -> None:
    name = names(site)[2]
    aside = site.folder.path.parent / "aside"
    site.folder.file(name.dump).rename(aside)
    found = watch.look(site)
    assert ("removed", name.dump, Level.CRITICAL) in told(found)
    assert ("bad", name.dump, Level.WARNING) in told(found)
    aside.rename(site.folder.file(name.dump))
    assert watch.look(site) == []


def test_a_file_that_was_written_to_is_told_until_it_has_been_examined(site: Site) -> None:
    name = names(site)[1]
    file = site.folder.file(name.dump)
    data = file.read_bytes()
    file.write_bytes(data)
    os.utime(file, (1, 1))
    (found,) = watch.look(site)
    assert told([found]) == [("changed", name.dump, Level.CRITICAL)]
    assert found.hint == f"LEDGER_ENV=dev make verify FILE={name.dump}"
    assert watch.look(site) == [found]
    manifest = catalog.read_manifest(site, name)
    assert manifest is not None
    catalogs.prove(site, manifest, MORNING + timedelta(minutes=1))
    assert watch.look(site) == []
    assert watch.look(site) == []


def test_an_examination_that_finds_it_bad_settles_nothing(site: Site) -> None:
    name = names(site)[1]
    os.utime(site.folder.file(name.dump), (1, 1))
    watch.look(site)
    manifest = catalog.read_manifest(site, name)
    assert manifest is not None
    catalogs.prove(site, manifest, MORNING + timedelta(minutes=1), Verdict.BAD)
    assert {one.kind for one in watch.look(site)} == {"changed", "bad"}


def test_an_operation_at_work_is_no_drift_and_hides_none(site: Site) -> None:
    state = site.desk.settings.state_dir
    name, other = names(site)[1:3]
    os.utime(site.folder.file(other.dump), (1, 1))
    before = watch.look(site)
    assert [one.kind for one in before] == ["changed"]
    with locks.exclusive(state, site.environment, "backup", MORNING):
        site.folder.file("half_done.dump").write_bytes(b"x")
        site.folder.file("half_done.dump").chmod(0o600)
        os.utime(site.folder.file(name.globals), (1, 1))
        assert [one for one in watch.look(site) if one.kind != "bad"] == before
    after = watch.look(site)
    assert {(one.kind, one.subject) for one in after} == {
        ("changed", other.dump),
        ("changed", name.globals),
        ("foreign", "half_done.dump"),
    }


def test_a_dump_dropped_in_by_hand_is_told_with_the_command_that_tries_it(site: Site) -> None:
    file = site.folder.file("from_a_friend.dump")
    file.write_bytes(site.folder.read(names(site)[0].dump))
    file.chmod(0o600)
    (found,) = watch.look(site)
    assert told([found]) == [("foreign", "from_a_friend.dump", Level.WARNING)]
    assert found.hint == "LEDGER_ENV=dev make restore-test FILE=from_a_friend.dump"
    listed = {one.name.dump: one.state for one in summaries.listed(site)}
    assert listed["from_a_friend.dump"] == "no manifest"
    assert watch.look(at(site, MORNING + timedelta(days=1, hours=-2))) != []
    week = watch.look(at(site, MORNING + timedelta(days=8)))
    assert "foreign" not in {one.kind for one in week}


def test_what_others_may_read_is_told_until_it_is_mended(site: Site) -> None:
    file = site.folder.file(names(site)[4].dump)
    file.chmod(0o644)
    site.folder.path.chmod(0o755)
    (found,) = watch.look(site)
    assert told([found]) == [("permissions", "files", Level.WARNING)]
    assert f"the folder itself, {file.name}." in found.message
    assert found.hint == f"chmod -R go-rwx {site.folder.path}"
    file.chmod(0o600)
    site.folder.path.chmod(0o700)
    assert watch.look(site) == []


def test_evicted_backups_are_told_and_are_not_gone(site: Site) -> None:
    some = names(site)[3:6]
    for name in some:
        site.folder.file(name.dump).rename(site.folder.placeholder(name.dump))
    (found,) = watch.look(site)
    assert told([found]) == [("evicted", "files", Level.WARNING)]
    assert found.message.startswith("3 backup(s) are only in the cloud: ")
    for name in names(site):
        if site.folder.file(name.dump).exists():
            site.folder.file(name.dump).rename(site.folder.placeholder(name.dump))
    found = next(one for one in watch.look(site) if one.kind == "evicted")
    assert (found.level, "No proven backup is on this machine." in found.message) == (Level.CRITICAL, True)
    for name in names(site):
        site.folder.placeholder(name.dump).rename(site.folder.file(name.dump))
    assert watch.look(site) == []


def test_a_folder_that_is_gone_is_one_finding(site: Site) -> None:
    site.folder.path.rename(site.folder.path.with_name("elsewhere"))
    (found,) = watch.look(site)
    assert told([found]) == [("folder", "folder", Level.CRITICAL)]
    assert watch.look(site) == [found]
    site.folder.path.with_name("elsewhere").rename(site.folder.path)
    assert watch.look(site) == []


def test_a_late_backup_and_its_rpo_have_the_dead_server_as_their_cause(site: Site) -> None:
    tomorrow = NOON.replace(hour=4) + timedelta(days=1)
    assert watch.look(at(site, tomorrow - timedelta(minutes=1))) == []
    found = watch.look(at(site, tomorrow + timedelta(hours=1)))
    assert [one.kind for one in found] == ["late", "rpo"]
    (cause,) = {one.cause for one in found}
    assert cause.startswith("the server of dev cannot be reached: 127.0.0.1:1/")
    with locks.exclusive(site.desk.settings.state_dir, site.environment, "restore", MORNING):
        late = watch.look(at(site, tomorrow + timedelta(hours=1)))[0]
    assert "Another operation is at work: restore by " in late.message


def test_an_environment_without_a_schedule_is_not_asked_for_backups(root: Path) -> None:
    still = site_of(root, scheduled=False)
    assert watch.look(still) == []
    old = NOON - timedelta(days=400)
    catalogs.put(still, old)
    assert watch.look(still) == []
    never = site_of(builders.folder(root))
    assert [one.kind for one in watch.look(never)] == ["never"]


def test_a_smaller_backup_is_told_by_real_folders_too(site: Site) -> None:
    name = names(site)[0]
    for file in (name.dump, name.manifest, name.globals, name.proof):
        site.folder.file(file).unlink()
    (site.desk.settings.state_dir / "watch" / "dev.json").unlink()
    catalogs.put(site, NOON.replace(hour=2, minute=30), rows=[10] * 24, proven_at=MORNING)
    found = watch.look(site)
    assert {one.kind for one in found} == {"rows"} | {one.kind for one in found if one.kind == "rows lost"}
    assert len({one.cause for one in found}) == 1


def test_a_part_that_breaks_is_a_finding_and_the_others_go_on(site: Site) -> None:
    state = site.desk.settings.state_dir
    (state / "servers").mkdir(exist_ok=True)
    (state / "servers" / "daemon.json").write_text('{"pid": 1, "started": 5, "address": ""}')
    found = watch.machine(site.desk)
    assert ("server", "daemon", Level.CRITICAL) in told(found)
    broken = replace(site.desk, clock=_broken)
    parts = watch.machine(broken)
    assert ("watch", "disks", Level.WARNING) in told(parts)
    assert ("server", "daemon", Level.CRITICAL) in told(parts)
    assert "RuntimeError: no clock today" in parts[0].message


def test_a_backup_of_a_clock_that_was_ahead_hides_neither_missed_days_nor_lost_work(site: Site) -> None:
    """It would be the newest, and fresh, until its day comes."""
    taken = MORNING + timedelta(days=300)
    catalogs.put(site, taken, proven_at=taken)
    [told_] = watch.look(site)
    assert (told_.kind, told_.level) == ("future", Level.WARNING)
    name, ours = catalogs.name(site, taken).dump, f"{MORNING:%Y-%m-%d %H:%M}"
    assert told_.message == (
        f"{name} of dev: taken in the future, at {taken:%Y-%m-%d %H:%M} UTC; by our clock it is {ours} UTC. "
        "What is late is reckoned without."
    )
    later = watch.look(at(site, MORNING + timedelta(days=3)))
    assert {"late", "rpo", "future"} <= {one.kind for one in later}
    assert "future" not in {one.kind for one in watch.look(at(site, taken - timedelta(minutes=5)))}


def test_a_clock_put_far_back_claims_nothing_of_backups(site: Site) -> None:
    [found] = watch.look(at(site, MORNING - timedelta(days=4000)))
    assert (found.kind, found.figures["found"]) == ("future", float(DAYS))


def test_a_dump_whose_name_is_no_text_is_told_and_blinds_nobody(site: Site) -> None:
    dump = site.folder.path / os.fsdecode(b"books\xff.dump")
    dump.write_bytes(b"PGDMP")
    dump.chmod(0o600)
    later = at(site, MORNING + timedelta(days=3))
    for _ in range(2):
        found = {one.kind: one for one in watch.look(later)}
        assert {"foreign", "late", "rpo"} <= set(found)
        assert found["foreign"].subject == "books\\udcff.dump"


def _broken() -> datetime:
    raise RuntimeError("no clock today")


def test_an_unreadable_folder_is_told_and_nothing_is_claimed_of_what_is_in_it(site: Site) -> None:
    """Not "there is no backup": that is not known. A folder whose place a file has taken is gone as well."""
    site.folder.path.rename(site.folder.path.with_name("elsewhere"))
    site.folder.path.write_bytes(b"")
    found = watch.look(site)
    assert {one.kind for one in found} <= {"folder", "watch"}
    assert found[0].level is Level.CRITICAL


def test_disks_are_measured_and_remembered(root: Path) -> None:
    site = site_of(root, archive_roots=[root / "archive"])
    catalogs.days(site, NOON.date(), 2)
    found = watch.machine(site.desk)
    assert told(found) == [("away", str(root / "archive"), Level.WARNING)]
    first, away = measuring.measured(site.desk)
    assert first.now is not None
    assert (first.now.total > first.now.free > 0, first.forecast) == (True, None)
    assert {"backups", "state"} <= set(first.holds)
    assert away.why
    for hours in range(0, 24 * 9, 2):
        disks_found = measuring.measured(at(site, MORNING + timedelta(hours=hours)).desk)
    trend = disks_found[0].forecast
    assert trend is not None
    assert trend.days == 10
    size = (root / "state" / "disks.json").stat().st_size
    for hours in range(24 * 9, 24 * 60, 12):
        measuring.measured(at(site, MORNING + timedelta(hours=hours)).desk)
    assert (root / "state" / "disks.json").stat().st_size < 2 * size
    (root / "state" / "disks.json").write_bytes(b"rubbish")
    assert measuring.measured(site.desk)[0].forecast is None


@pytest.fixture
def small(root: Path) -> Iterator[Path]:
    with disks.small_disk(root / "backups", "2m") as folder:
        yield folder


def test_a_full_disk_is_told_before_the_next_backup_finds_it(root: Path, small: Path) -> None:
    site = site_of(root)
    catalogs.days(site, NOON.date(), 3)
    found = watch.machine(site.desk)
    assert told(found) == [("disk full", str(small), Level.CRITICAL)]
    late = watch.look(at(builders.site(root, None, scheduled=True, rules=[]), NOON + timedelta(days=2)))
    assert {one.cause for one in late if one.kind in ("late", "rpo")} == {f"the disk of {small}"}


def test_the_disk_of_a_server_on_this_machine_is_known(root: Path, embedded: Embedded) -> None:
    here = builders.site(root, embedded.sample(Environment.TEST))
    assert measuring.database_disk(here) == (embedded.cluster.data, "")
    elsewhere = builders.site(
        builders.folder(root), Database({"host": "192.0.2.1", "port": "5432", "user": "x", "dbname": "b"})
    )
    assert measuring.database_disk(elsewhere) == (None, "the server is on another machine")
    sample = builders.site(builders.folder(root))
    assert measuring.database_disk(sample) == (None, "the sample's server was never started")


def test_real_backups_are_watched_from_the_first_one_on(root: Path, database: Database) -> None:
    site = builders.site(root, database, scheduled=True)
    manifest = grounds.take(site)
    assert [one.kind for one in watch.look(site)] == []
    later = at(site, site.desk.clock() + timedelta(hours=2))
    (unproven,) = watch.look(later)
    assert (unproven.kind, unproven.level) == ("unproven", Level.CRITICAL)
    drill.drill(site, BackupName.of(manifest.dump.file))
    assert watch.look(later) == []
    kept = standing.standing(later).objectives
    assert (kept.rpo_kept, kept.rto_kept, kept.coverage.share) == (True, True, 1)


def test_measurements_know_the_files_of_a_disk(root: Path) -> None:
    disk = measuring.measured(site_of(root).desk)[0]
    assert isinstance(disk.now, Measurement)
    facts = os.statvfs(root)
    assert disk.now.total_files == facts.f_files
