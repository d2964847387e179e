"""A day that has passed: adopted from wherever a good copy lies, or refused; never today's data."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import clock, journal, locks
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, LedgerError, Refused
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.missed import Verdict
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.operations import adopt, backup, catalog, drill, missed
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops_tests.e2e.commands import damaged
from ledgerflow_ops_tests.fakes import disks, grounds
from ledgerflow_ops_tests.fakes.grounds import Ground

AGO = timedelta(days=2)


@pytest.fixture(scope="module")
def books(embedded: Embedded) -> Iterator[Database]:
    with grounds.sample_copy(embedded) as database:
        yield database


@pytest.fixture
def ground(root: Path, books: Database) -> Ground:
    return Ground(root, books, {"archive_roots": [root / "one", root / "two"]})


def past(ground: Ground) -> tuple[Site, Manifest]:
    """A backup of two days ago, moved into an archive; where it lies, and what it is."""
    site = ground.site(now=lambda: clock.now() - AGO)
    manifest = backup.backup(site)
    folder = ground.root / "one" / "dev"
    folder.parent.mkdir(exist_ok=True)
    site.folder.path.rename(folder)
    return ground.site(), manifest


def archived(ground: Ground, manifest: Manifest) -> Path:
    return ground.root / "one" / "dev" / manifest.dump.file


def copied(ground: Ground, source: str, target: str) -> None:
    folder = ground.root / target / "dev"
    folder.mkdir(parents=True)
    for file in (ground.root / source / "dev").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def test_a_copy_in_an_archive_is_brought_in_whole_and_judged_anew(ground: Ground) -> None:
    ground = ground.with_files()
    site, manifest = past(ground)
    at = site.locations()[1]
    drill.drill(at, BackupName.of(manifest.dump.file))
    assert catalog.entries(at)[0].proven
    day = manifest.backup_day
    plan = missed.plan(site, day)
    assert plan.verdict is Verdict.ADOPT
    assert str(ground.root / "one") in plan.why
    assert not site.folder.path.exists(), "a plan touches nothing"

    assert missed.backup_of(site, day) == manifest
    [entry] = catalog.entries(site)
    assert entry.manifest == manifest
    assert (entry.state, entry.proven) == ("written", False), "its proof stayed behind"
    there = {file.name: file.read_bytes() for file in (ground.root / "one" / "dev").iterdir()}
    here = {file.name: file.read_bytes() for file in site.folder.path.iterdir()}
    assert here == {name: data for name, data in there.items() if not name.endswith(".proof.json")}
    assert {file.stat().st_mode & 0o777 for file in site.folder.path.iterdir()} == {0o600}
    assert drill.drill(site, entry.name).proven
    [told] = [one for one in journal.entries(site.desk.settings.state_dir) if one["what"] == "adopted"]
    assert (told["file"], told["day"]) == (manifest.dump.file, str(day))
    assert missed.plan(site, day).verdict is Verdict.KEPT


def test_the_same_again_changes_nothing(ground: Ground) -> None:
    site, manifest = past(ground)
    missed.backup_of(site, manifest.backup_day)
    files = ground.files()
    assert missed.plan(site, manifest.backup_day).verdict is Verdict.PROVE
    assert missed.backup_of(site, manifest.backup_day) == manifest
    assert ground.files() == files


def flipped(file: Path) -> None:
    damaged(file)


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flipped, cut, Path.unlink])
def test_a_damaged_copy_gives_way_to_a_whole_one(ground: Ground, damage: Callable[[Path], None]) -> None:
    site, manifest = past(ground)
    copied(ground, "one", "two")
    damage(archived(ground, manifest))
    assert missed.backup_of(site, manifest.backup_day) == manifest
    assert [entry.state for entry in catalog.entries(site)] == ["written"]


@pytest.mark.parametrize("damage", [flipped, cut, Path.unlink])
def test_a_damaged_copy_alone_is_refused_and_nothing_is_kept(
    ground: Ground, damage: Callable[[Path], None]
) -> None:
    site, manifest = past(ground)
    damage(archived(ground, manifest))
    with pytest.raises(Refused) as found:
        missed.backup_of(site, manifest.backup_day)
    assert manifest.dump.file in found.value.message
    assert found.value.exit_code == 3
    assert ground.files() == {}


def test_of_several_a_proven_one_goes_first(ground: Ground) -> None:
    site, manifest = past(ground)
    later = backup.backup(ground.site(now=lambda: clock.now() - AGO + timedelta(minutes=5)))
    at = site.locations()[1]
    for file in list(site.folder.path.iterdir()):
        file.rename(at.folder.path / file.name)
    assert adopt.of_day(at, manifest.backup_day)[0].name.dump == later.dump.file
    drill.drill(at, BackupName.of(manifest.dump.file))
    assert missed.backup_of(site, manifest.backup_day) == manifest


def test_what_cannot_be_adopted_is_named_with_the_reason(ground: Ground) -> None:
    site, manifest = past(ground)
    archived(ground, manifest).with_suffix(".manifest.json").unlink()
    day = manifest.backup_day
    plan = missed.plan(site, day)
    assert plan.verdict is Verdict.REFUSE
    for text in (plan.why, str(_refusal(site, day).message)):
        assert f"{manifest.dump.file} in {ground.root / 'one' / 'dev'} has no manifest" in text
    assert "make up" in plan.hint
    assert "02:30 UTC" in plan.hint
    assert "scheduled = true" not in plan.hint, "it is, having a database"
    unscheduled = missed.plan(ground.site(scheduled=False), day)
    assert "set scheduled = true for dev, keep make up running" in unscheduled.hint


def test_another_file_of_that_name_is_never_overwritten(ground: Ground) -> None:
    site, manifest = past(ground)
    site.folder.prepare()
    mine = site.folder.file(manifest.dump.file)
    mine.write_bytes(b"mine")
    error = _refusal(site, manifest.backup_day)
    assert "is another file" in error.message
    assert "Move that file" in error.hint
    assert {file.name: file.read_bytes() for file in site.folder.path.iterdir()} == {mine.name: b"mine"}


def test_what_a_crash_left_of_a_copy_is_taken_up(ground: Ground) -> None:
    site, manifest = past(ground)
    site.folder.prepare()
    whole = archived(ground, manifest).read_bytes()
    site.folder.file(manifest.dump.file).write_bytes(whole)
    (site.folder.path / (BackupName.of(manifest.dump.file).globals + ".partial")).write_bytes(b"half")
    missed.backup_of(site, manifest.backup_day)
    assert [entry.state for entry in catalog.entries(site)] == ["written"]
    assert ground.unfinished() == []


def test_another_environments_backup_is_not_adopted(ground: Ground) -> None:
    site, manifest = past(ground)
    (ground.root / "one" / "dev").rename(ground.root / "one" / "prod")
    prod = site.desk.site(Environment.PROD)
    assert missed.plan(prod, manifest.backup_day).verdict is Verdict.REFUSE
    assert missed.plan(site, manifest.backup_day).verdict is Verdict.REFUSE


def test_nobody_is_passed_over_who_is_at_work(ground: Ground) -> None:
    site, manifest = past(ground)
    with (
        locks.exclusive(site.desk.settings.state_dir, site.environment, "backup", clock.now()),
        pytest.raises(Busy),
    ):
        missed.backup_of(site, manifest.backup_day)
    assert ground.files() == {}


def test_a_full_disk_is_told_before_anything_is_copied(ground: Ground) -> None:
    site, manifest = past(ground)
    with disks.small_disk(ground.root / "backups", "1m"):
        with pytest.raises(LedgerError, match="Not enough room") as found:
            missed.backup_of(site, manifest.backup_day)
        assert found.value.exit_code == 1
        assert ground.files() == {}


def test_today_and_days_to_come_are_not_had_this_way(ground: Ground) -> None:
    site, today = ground.site(), ground.site().today()
    backup.backup(site)
    (ground.root / "one").mkdir()
    site.folder.path.rename(ground.root / "one" / "dev")
    assert adopt.of_day(site.locations()[1], today), "there is one to be had"
    assert missed.plan(site, today).verdict is Verdict.TAKE
    for day in (today, today + timedelta(days=1)):
        assert "has not passed" in _refusal(site, day).message
    assert missed.plan(site, today + timedelta(days=1)).verdict is Verdict.REFUSE


def _refusal(site: Site, day: date) -> Refused:
    with pytest.raises(Refused) as found:
        missed.backup_of(site, day)
    return found.value
