"""A day that has passed: a sound copy is adopted from some location, or it is refused. Never today's data."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock, journal_file, locks
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, LedgerError, Refused
from ledgerflow_ops.core.schedule.backfill_plan import DayVerdict
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backfill import adoption, missed_days
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

AGO = timedelta(days=2)


@pytest.fixture
def sandbox(root: Path, books: Database) -> Sandbox:
    return Sandbox(root, books, {"archive_roots": [root / "one", root / "two"]})


def past(sandbox: Sandbox) -> tuple[EnvironmentContext, Manifest]:
    """A backup of two days ago, moved into an archive; returns its location and its manifest."""
    env = sandbox.env(now=lambda: clock.now() - AGO)
    manifest = backup.backup(env)
    folder = sandbox.root / "one" / "dev"
    folder.parent.mkdir(exist_ok=True)
    backup_folder_of(env).path.rename(folder)
    return sandbox.env(), manifest


def archived(sandbox: Sandbox, manifest: Manifest) -> Path:
    return sandbox.root / "one" / "dev" / manifest.dump.file


def copied(sandbox: Sandbox, source: str, target: str) -> None:
    folder = sandbox.root / target / "dev"
    folder.mkdir(parents=True)
    for file in (sandbox.root / source / "dev").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def test_a_copy_in_an_archive_is_brought_in_whole_and_judged_anew(sandbox: Sandbox) -> None:
    sandbox = sandbox.with_files()
    env, manifest = past(sandbox)
    at = env.locations()[1]
    drill.drill(at, BackupName.of(manifest.dump.file))
    assert catalog.entries(at)[0].proven
    day = manifest.backup_day
    plan = missed_days.plan_backfill(env, day)
    assert plan.verdict is DayVerdict.ADOPT
    assert str(sandbox.root / "one") in plan.why
    assert not backup_folder_of(env).path.exists(), "a plan touches nothing"

    assert missed_days.obtain_backup(env, day) == manifest
    [entry] = catalog.entries(env)
    assert entry.manifest == manifest
    assert (entry.state, entry.proven) == ("written", False), "its proof stayed behind"
    there = {file.name: file.read_bytes() for file in (sandbox.root / "one" / "dev").iterdir()}
    here = {file.name: file.read_bytes() for file in backup_folder_of(env).path.iterdir()}
    assert here == {name: data for name, data in there.items() if not name.endswith(".proof.json")}
    assert {file.stat().st_mode & 0o777 for file in backup_folder_of(env).path.iterdir()} == {0o600}
    assert drill.drill(env, entry.name).proven
    [told] = [
        one for one in journal_file.read_entries(env.ctx.settings.state_dir) if one["what"] == "adopted"
    ]
    assert (told["file"], told["day"]) == (manifest.dump.file, str(day))
    assert missed_days.plan_backfill(env, day).verdict is DayVerdict.KEPT


def test_the_same_again_changes_nothing(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    missed_days.obtain_backup(env, manifest.backup_day)
    files = sandbox.files()
    assert missed_days.plan_backfill(env, manifest.backup_day).verdict is DayVerdict.PROVE
    assert missed_days.obtain_backup(env, manifest.backup_day) == manifest
    assert sandbox.files() == files


def flipped(file: Path) -> None:
    flip_bit(file)


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flipped, cut, Path.unlink])
def test_a_damaged_copy_gives_way_to_a_whole_one(sandbox: Sandbox, damage: Callable[[Path], None]) -> None:
    env, manifest = past(sandbox)
    copied(sandbox, "one", "two")
    damage(archived(sandbox, manifest))
    assert missed_days.obtain_backup(env, manifest.backup_day) == manifest
    assert [entry.state for entry in catalog.entries(env)] == ["written"]


@pytest.mark.parametrize("damage", [flipped, cut, Path.unlink])
def test_a_damaged_copy_alone_is_refused_and_nothing_is_kept(
    sandbox: Sandbox, damage: Callable[[Path], None]
) -> None:
    env, manifest = past(sandbox)
    damage(archived(sandbox, manifest))
    with pytest.raises(Refused) as found:
        missed_days.obtain_backup(env, manifest.backup_day)
    assert manifest.dump.file in found.value.message
    assert found.value.exit_code == 3
    assert sandbox.files() == {}


def test_of_several_a_proven_one_goes_first(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    later = backup.backup(sandbox.env(now=lambda: clock.now() - AGO + timedelta(minutes=5)))
    at = env.locations()[1]
    for file in list(backup_folder_of(env).path.iterdir()):
        file.rename(backup_folder_of(at).path / file.name)
    assert adoption.backups_of_day(at, manifest.backup_day)[0].name.dump == later.dump.file
    drill.drill(at, BackupName.of(manifest.dump.file))
    assert missed_days.obtain_backup(env, manifest.backup_day) == manifest


def test_what_cannot_be_adopted_is_named_with_the_reason(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    archived(sandbox, manifest).with_suffix(".manifest.json").unlink()
    day = manifest.backup_day
    plan = missed_days.plan_backfill(env, day)
    assert plan.verdict is DayVerdict.REFUSE
    for text in (plan.why, str(_refusal(env, day).message)):
        assert f"{manifest.dump.file} in {sandbox.root / 'one' / 'dev'} has no manifest" in text
    assert "make up" in plan.hint
    assert "02:30 UTC" in plan.hint
    assert "scheduled = true" not in plan.hint, "it is, having a database"
    unscheduled = missed_days.plan_backfill(sandbox.env(scheduled=False), day)
    assert "set scheduled = true for dev, keep make up running" in unscheduled.hint


def test_another_file_of_that_name_is_never_overwritten(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    backup_folder_of(env).prepare()
    mine = backup_folder_of(env).file(manifest.dump.file)
    mine.write_bytes(b"mine")
    error = _refusal(env, manifest.backup_day)
    assert "exists already, and differs" in error.message
    assert "Move that file" in error.hint
    assert {file.name: file.read_bytes() for file in backup_folder_of(env).path.iterdir()} == {
        mine.name: b"mine"
    }


def test_what_a_crash_left_of_a_copy_is_taken_up(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    backup_folder_of(env).prepare()
    whole = archived(sandbox, manifest).read_bytes()
    backup_folder_of(env).file(manifest.dump.file).write_bytes(whole)
    (backup_folder_of(env).path / (BackupName.of(manifest.dump.file).globals + ".partial")).write_bytes(
        b"half"
    )
    missed_days.obtain_backup(env, manifest.backup_day)
    assert [entry.state for entry in catalog.entries(env)] == ["written"]
    assert sandbox.unfinished() == []


def test_another_environments_backup_is_not_adopted(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    (sandbox.root / "one" / "dev").rename(sandbox.root / "one" / "prod")
    prod = env.ctx.env(Environment.PROD)
    assert missed_days.plan_backfill(prod, manifest.backup_day).verdict is DayVerdict.REFUSE
    assert missed_days.plan_backfill(env, manifest.backup_day).verdict is DayVerdict.REFUSE


def test_nobody_is_passed_over_who_is_at_work(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    with (
        locks.environment_lock(env.ctx.settings.state_dir, env.environment, "backup", clock.now()),
        pytest.raises(Busy),
    ):
        missed_days.obtain_backup(env, manifest.backup_day)
    assert sandbox.files() == {}


def test_a_full_disk_is_reported_before_anything_is_copied(sandbox: Sandbox) -> None:
    env, manifest = past(sandbox)
    with disks.small_disk(sandbox.root / "backups", "1m"):
        with pytest.raises(LedgerError, match="Not enough space") as found:
            missed_days.obtain_backup(env, manifest.backup_day)
        assert found.value.exit_code == 1
        assert sandbox.files() == {}


def test_today_and_days_to_come_are_not_had_this_way(sandbox: Sandbox) -> None:
    env, today = sandbox.env(), sandbox.env().today()
    backup.backup(env)
    (sandbox.root / "one").mkdir()
    backup_folder_of(env).path.rename(sandbox.root / "one" / "dev")
    assert adoption.backups_of_day(env.locations()[1], today), "there is one to be had"
    assert missed_days.plan_backfill(env, today).verdict is DayVerdict.TAKE
    for day in (today, today + timedelta(days=1)):
        assert "has not passed" in _refusal(env, day).message
    assert missed_days.plan_backfill(env, today + timedelta(days=1)).verdict is DayVerdict.REFUSE


def _refusal(env: EnvironmentContext, day: date) -> Refused:
    with pytest.raises(Refused) as found:
        missed_days.obtain_backup(env, day)
    return found.value
