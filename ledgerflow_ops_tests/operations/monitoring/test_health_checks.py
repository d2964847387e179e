"""The watch on real folders: changes made from outside, missing backups, and disks."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring.disk_forecast import Measurement
from ledgerflow_ops.operations import catalog, summaries
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.monitoring import disk_metrics, environment_status, health_checks, monitor
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import backup_tables, disks, sandboxes

DAYS = 12
MORNING = NOON.replace(hour=3)


def env_of(root: Path, now: datetime = MORNING, **fields: Any) -> EnvironmentContext:
    """An environment with a schedule; nobody connects to its database unless something is late."""
    nowhere = Database({"host": "127.0.0.1", "port": "1", "user": "x", "dbname": "books"})
    fields = {"scheduled": True, "rules": [], **fields}
    return builders.env(root, nowhere, now=lambda: now, **fields)


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    """Twelve days of proven backups, the last one of this morning, examined once."""
    made = env_of(root)
    backup_tables.add_days(made, NOON.date(), DAYS)
    backup_folder_of(made).path.parent.chmod(0o700)
    assert health_checks.find_problems(made) == []
    return made


def at(env: EnvironmentContext, now: datetime) -> EnvironmentContext:
    return replace(env, ctx=replace(env.ctx, clock=lambda: now))


def told(found: list[Finding]) -> list[tuple[str, str, Level]]:
    return [(one.kind, one.subject, one.level) for one in found]


def names(env: EnvironmentContext) -> list[BackupName]:
    return [entry.name for entry in catalog.newest_first(env)]


def test_what_we_do_ourselves_is_no_drift(env: EnvironmentContext) -> None:
    """A new backup, a drill of an old one, a rotation that leaves the manifest in the history."""
    later = at(env, MORNING + timedelta(days=1))
    backup_tables.add_backup(
        later, MORNING + timedelta(days=1), size=4100, proven_at=MORNING + timedelta(days=1),
        rows=[1000 * number + 13 * number for number in range(1, 25)],
    )  # fmt: skip
    old = names(env)[3]
    manifest = catalog.read_manifest(env, old)
    assert manifest is not None
    backup_tables.add_proof(env, manifest, MORNING)
    gone = names(env)[-1]
    history = backup_folder_of(env).path / "history"
    history.mkdir(mode=0o700)
    backup_folder_of(env).file(gone.manifest).rename(history / gone.manifest)
    for file in (gone.dump, gone.globals, gone.proof):
        backup_folder_of(env).file(file).unlink()
    assert health_checks.find_problems(later) == []
    assert health_checks.find_problems(at(later, MORNING + timedelta(days=1, hours=1))) == []


def test_a_backup_that_somebody_removed_is_reported_for_a_week(env: EnvironmentContext) -> None:
    name = names(env)[2]
    for file in (name.dump, name.manifest, name.globals, name.proof):
        backup_folder_of(env).file(file).unlink()
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("removed", name.dump, Level.CRITICAL)]
    for file in (name.dump, name.manifest, name.globals):
        assert file in found.message
    assert "No rotation removed it." in found.message
    again = [one for one in health_checks.find_problems(env) if one.kind == "removed"]
    assert again == [found]
    week = at(env, MORNING + timedelta(days=7))
    assert not [one for one in health_checks.find_problems(week) if one.kind == "removed"]


@pytest.mark.parametrize(
    ("memory", "gone"), [("dev.json", False), ("dev.files.json", False), ("dev.files.json", True)]
)
def test_a_memory_that_cannot_be_read_is_reported(env: EnvironmentContext, memory: str, gone: bool) -> None:
    """Otherwise nothing would notice a backup that was removed meanwhile."""
    file = env.ctx.settings.state_dir / "watch" / memory
    if gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3])
    for left in backup_folder_of(env).path.glob(f"{names(env)[4].stem}*"):
        left.unlink()
    [found] = health_checks.find_problems(env)
    assert (found.kind, found.level) == ("forgotten", Level.WARNING)
    assert memory in found.message
    assert health_checks.find_problems(env) == []


def test_a_removed_backup_that_comes_back_is_well_again(env: EnvironmentContext) -> None:
    name = names(env)[2]
    aside = backup_folder_of(env).path.parent / "aside"
    backup_folder_of(env).file(name.dump).rename(aside)
    found = health_checks.find_problems(env)
    assert ("removed", name.dump, Level.CRITICAL) in told(found)
    assert ("bad", name.dump, Level.WARNING) in told(found)
    aside.rename(backup_folder_of(env).file(name.dump))
    assert health_checks.find_problems(env) == []


def test_a_file_that_was_written_to_is_reported_until_it_has_been_examined(env: EnvironmentContext) -> None:
    name = names(env)[1]
    file = backup_folder_of(env).file(name.dump)
    data = file.read_bytes()
    file.write_bytes(data)
    os.utime(file, (1, 1))
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("changed", name.dump, Level.CRITICAL)]
    assert str(found.hint) == f"LEDGER_ENV=dev make verify FILE={name.dump}"
    assert health_checks.find_problems(env) == [found]
    manifest = catalog.read_manifest(env, name)
    assert manifest is not None
    backup_tables.add_proof(env, manifest, MORNING + timedelta(minutes=1))
    assert health_checks.find_problems(env) == []
    assert health_checks.find_problems(env) == []


def test_an_examination_that_finds_it_bad_settles_nothing(env: EnvironmentContext) -> None:
    name = names(env)[1]
    os.utime(backup_folder_of(env).file(name.dump), (1, 1))
    health_checks.find_problems(env)
    manifest = catalog.read_manifest(env, name)
    assert manifest is not None
    backup_tables.add_proof(env, manifest, MORNING + timedelta(minutes=1), Verdict.BAD)
    assert {one.kind for one in health_checks.find_problems(env)} == {"changed", "bad"}


def test_an_operation_at_work_is_no_drift_and_hides_none(env: EnvironmentContext) -> None:
    state = env.ctx.settings.state_dir
    name, other = names(env)[1:3]
    os.utime(backup_folder_of(env).file(other.dump), (1, 1))
    before = health_checks.find_problems(env)
    assert [one.kind for one in before] == ["changed"]
    with locks.environment_lock(state, env.environment, "backup", MORNING):
        backup_folder_of(env).file("half_done.dump").write_bytes(b"x")
        backup_folder_of(env).file("half_done.dump").chmod(0o600)
        os.utime(backup_folder_of(env).file(name.globals), (1, 1))
        assert [one for one in health_checks.find_problems(env) if one.kind != "bad"] == before
    after = health_checks.find_problems(env)
    assert {(one.kind, one.subject) for one in after} == {
        ("changed", other.dump),
        ("changed", name.globals),
        ("foreign", "half_done.dump"),
    }


def test_a_dump_dropped_in_by_hand_is_reported_with_the_command_that_tries_it(
    env: EnvironmentContext,
) -> None:
    file = backup_folder_of(env).file("from_a_friend.dump")
    file.write_bytes(backup_folder_of(env).read(names(env)[0].dump))
    file.chmod(0o600)
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("foreign", "from_a_friend.dump", Level.WARNING)]
    assert str(found.hint) == "LEDGER_ENV=dev make restore-test FILE=from_a_friend.dump"
    listed = {one.name.dump: one.state for one in summaries.list_dumps(env)}
    assert listed["from_a_friend.dump"] == "no manifest"
    assert health_checks.find_problems(at(env, MORNING + timedelta(days=1, hours=-2))) != []
    week = health_checks.find_problems(at(env, MORNING + timedelta(days=8)))
    assert "foreign" not in {one.kind for one in week}


def test_what_others_may_read_is_reported_until_it_is_fixed(env: EnvironmentContext) -> None:
    file = backup_folder_of(env).file(names(env)[4].dump)
    file.chmod(0o644)
    backup_folder_of(env).path.chmod(0o755)
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("permissions", "files", Level.WARNING)]
    assert f"the folder itself, {file.name}." in found.message
    assert str(found.hint) == f"chmod -R go-rwx {backup_folder_of(env).path}"
    file.chmod(0o600)
    backup_folder_of(env).path.chmod(0o700)
    assert health_checks.find_problems(env) == []


def test_evicted_backups_are_reported_and_are_not_gone(env: EnvironmentContext) -> None:
    some = names(env)[3:6]
    for name in some:
        backup_folder_of(env).file(name.dump).rename(backup_folder_of(env).placeholder(name.dump))
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("evicted", "files", Level.WARNING)]
    assert found.message.startswith("3 backups are only in the cloud: ")
    for name in names(env):
        if backup_folder_of(env).file(name.dump).exists():
            backup_folder_of(env).file(name.dump).rename(backup_folder_of(env).placeholder(name.dump))
    found = next(one for one in health_checks.find_problems(env) if one.kind == "evicted")
    assert (found.level, "No proven backup is on this machine." in found.message) == (Level.CRITICAL, True)
    for name in names(env):
        backup_folder_of(env).placeholder(name.dump).rename(backup_folder_of(env).file(name.dump))
    assert health_checks.find_problems(env) == []


def test_what_nobody_could_look_at_stays_open(env: EnvironmentContext) -> None:
    """A disk that is not mounted is no evidence that what is on it is well."""

    def still_open() -> set[str]:
        monitor.watch_environment(env.ctx, env.environment)
        return {alert.finding.kind for alert in alerts.open_alerts(env.ctx)}

    name, away = names(env)[4], backup_folder_of(env).path.with_name("elsewhere")
    backup_folder_of(env).file(name.dump).chmod(0o644)
    backup_folder_of(env).file(name.globals).unlink()
    wrong = still_open()
    assert wrong >= {"permissions", "removed", "bad"}
    backup_folder_of(env).path.rename(away)
    assert still_open() == {*wrong, "folder"}
    away.rename(backup_folder_of(env).path)
    backup_folder_of(env).file(name.dump).chmod(0o600)
    assert still_open() == wrong - {"permissions"}


def test_a_folder_that_is_gone_is_one_finding(env: EnvironmentContext) -> None:
    backup_folder_of(env).path.rename(backup_folder_of(env).path.with_name("elsewhere"))
    (found,) = health_checks.find_problems(env)
    assert told([found]) == [("folder", "folder", Level.CRITICAL)]
    assert health_checks.find_problems(env) == [found]
    backup_folder_of(env).path.with_name("elsewhere").rename(backup_folder_of(env).path)
    assert health_checks.find_problems(env) == []


def test_a_late_backup_and_its_rpo_have_the_dead_server_as_their_cause(env: EnvironmentContext) -> None:
    tomorrow = NOON.replace(hour=4) + timedelta(days=1)
    assert health_checks.find_problems(at(env, tomorrow - timedelta(minutes=1))) == []
    found = health_checks.find_problems(at(env, tomorrow + timedelta(hours=1)))
    assert [one.kind for one in found] == ["late", "rpo"]
    (cause,) = {one.cause for one in found}
    assert cause.startswith("the server of dev cannot be reached: 127.0.0.1:1/")
    with locks.environment_lock(env.ctx.settings.state_dir, env.environment, "restore", MORNING):
        late = health_checks.find_problems(at(env, tomorrow + timedelta(hours=1)))[0]
    assert "Another operation is at work: restore by " in late.message


def test_an_environment_without_a_schedule_is_not_asked_for_backups(root: Path) -> None:
    still = env_of(root, scheduled=False)
    assert health_checks.find_problems(still) == []
    old = NOON - timedelta(days=400)
    backup_tables.add_backup(still, old)
    assert health_checks.find_problems(still) == []
    never = env_of(builders.new_folder(root))
    assert health_checks.find_problems(never) == [], "none has been due since it was first watched"
    assert [one.kind for one in health_checks.find_problems(at(never, MORNING + timedelta(hours=25)))] == [
        "never"
    ]


def test_a_clock_that_was_ahead_at_the_first_look_hides_nothing_for_long(root: Path) -> None:
    env = env_of(root)
    health_checks.find_problems(at(env, MORNING + timedelta(days=4000)))
    assert health_checks.find_problems(env) == []
    tomorrow = health_checks.find_problems(at(env, MORNING + timedelta(hours=25)))
    assert [one.kind for one in tomorrow] == ["never"]


@pytest.mark.parametrize("text", [b"", b"{}", b"x"])
def test_a_first_look_that_cannot_be_read_counts_as_long_ago(root: Path, text: bytes) -> None:
    env = env_of(root)
    health_checks.find_problems(env)
    (env.ctx.settings.state_dir / "watch" / "dev.since.json").write_bytes(text)
    assert [one.kind for one in health_checks.find_problems(env)] == ["never"]


def test_a_smaller_backup_is_reported_by_real_folders_too(env: EnvironmentContext) -> None:
    name = names(env)[0]
    for file in (name.dump, name.manifest, name.globals, name.proof):
        backup_folder_of(env).file(file).unlink()
    (env.ctx.settings.state_dir / "watch" / "dev.json").unlink()
    backup_tables.add_backup(env, NOON.replace(hour=2, minute=30), rows=[10] * 24, proven_at=MORNING)
    found = health_checks.find_problems(env)
    assert {one.kind for one in found} == {"rows"} | {one.kind for one in found if one.kind == "rows lost"}
    assert len({one.cause for one in found}) == 1


def test_a_part_that_breaks_is_a_finding_and_the_others_go_on(env: EnvironmentContext) -> None:
    state = env.ctx.settings.state_dir
    (state / "servers").mkdir(exist_ok=True)
    (state / "servers" / "daemon.json").write_text('{"pid": 1, "started": 5, "address": ""}')
    found = health_checks.find_machine_problems(env.ctx)
    assert ("server", "daemon", Level.CRITICAL) in told(found)
    broken = replace(env.ctx, clock=_broken)
    parts = health_checks.find_machine_problems(broken)
    assert ("watch", "disks", Level.WARNING) in told(parts)
    assert ("server", "daemon", Level.CRITICAL) in told(parts)
    assert "RuntimeError: no clock today" in parts[0].message


def test_a_backup_of_a_clock_that_was_ahead_hides_neither_missed_days_nor_lost_work(
    env: EnvironmentContext,
) -> None:
    """It would count as the newest, and as fresh, until its date is reached."""
    taken = MORNING + timedelta(days=300)
    backup_tables.add_backup(env, taken, proven_at=taken)
    [told_] = health_checks.find_problems(env)
    assert (told_.kind, told_.level) == ("future", Level.WARNING)
    name, ours = backup_tables.backup_name(env, taken).dump, f"{MORNING:%Y-%m-%d %H:%M}"
    assert told_.message == (
        f"{name} of dev: taken in the future, at {taken:%Y-%m-%d %H:%M} UTC; by our clock it is {ours} UTC. "
        "They do not count for what is late."
    )
    later = health_checks.find_problems(at(env, MORNING + timedelta(days=3)))
    assert {"late", "rpo", "future"} <= {one.kind for one in later}
    assert "future" not in {
        one.kind for one in health_checks.find_problems(at(env, taken - timedelta(minutes=5)))
    }


def test_a_clock_put_far_back_claims_nothing_of_backups(env: EnvironmentContext) -> None:
    [found] = health_checks.find_problems(at(env, MORNING - timedelta(days=4000)))
    assert (found.kind, found.figures["found"]) == ("future", float(DAYS))


def test_a_dump_whose_name_is_no_text_is_reported_and_blinds_nobody(env: EnvironmentContext) -> None:
    dump = backup_folder_of(env).path / os.fsdecode(b"books\xff.dump")
    dump.write_bytes(b"PGDMP")
    dump.chmod(0o600)
    later = at(env, MORNING + timedelta(days=3))
    for _ in range(2):
        found = {one.kind: one for one in health_checks.find_problems(later)}
        assert {"foreign", "late", "rpo"} <= set(found)
        assert found["foreign"].subject == "books\\udcff.dump"


def _broken() -> datetime:
    raise RuntimeError("no clock today")


def test_an_unreadable_folder_is_reported_and_nothing_is_claimed_of_what_is_in_it(
    env: EnvironmentContext,
) -> None:
    """The finding is not "there is no backup", which is not known. A file in its place is the same."""
    backup_folder_of(env).path.rename(backup_folder_of(env).path.with_name("elsewhere"))
    backup_folder_of(env).path.write_bytes(b"")
    found = health_checks.find_problems(env)
    assert {one.kind for one in found} <= {"folder", "watch"}
    assert found[0].level is Level.CRITICAL


def test_disks_are_measured_and_remembered(root: Path) -> None:
    env = env_of(root, archive_roots=[root / "archive"])
    backup_tables.add_days(env, NOON.date(), 2)
    found = health_checks.find_machine_problems(env.ctx)
    assert told(found) == [("away", str(root / "archive"), Level.WARNING)]
    first, away = disk_metrics.measure_disks(env.ctx)
    assert first.now is not None
    assert (first.now.total > first.now.free > 0, first.forecast) == (True, None)
    assert {"backups", "state"} <= set(first.holds)
    assert away.why
    for hours in range(0, 24 * 9, 2):
        disks_found = disk_metrics.measure_disks(at(env, MORNING + timedelta(hours=hours)).ctx)
    trend = disks_found[0].forecast
    assert trend is not None
    assert trend.days == 10
    size = (root / "state" / "disks.json").stat().st_size
    for hours in range(24 * 9, 24 * 60, 12):
        disk_metrics.measure_disks(at(env, MORNING + timedelta(hours=hours)).ctx)
    assert (root / "state" / "disks.json").stat().st_size < 2 * size
    (root / "state" / "disks.json").write_bytes(b"rubbish")
    assert disk_metrics.measure_disks(env.ctx)[0].forecast is None


@pytest.fixture
def small(root: Path) -> Iterator[Path]:
    with disks.small_disk(root / "backups", "2m") as folder:
        yield folder


def test_a_full_disk_is_reported_before_the_next_backup_finds_it(root: Path, small: Path) -> None:
    env = env_of(root)
    backup_tables.add_days(env, NOON.date(), 3)
    found = health_checks.find_machine_problems(env.ctx)
    assert told(found) == [("disk full", str(small), Level.CRITICAL)]
    sample = builders.env(root, None, scheduled=True, rules=[])
    health_checks.find_problems(at(sample, NOON))
    late = health_checks.find_problems(at(sample, NOON + timedelta(days=2)))
    assert {one.cause for one in late if one.kind in ("late", "rpo")} == {f"the disk of {small}"}


def test_the_disk_of_a_server_on_this_machine_is_known(root: Path, embedded: EmbeddedPostgres) -> None:
    here = builders.env(root, embedded.sample(Environment.TEST))
    assert disk_metrics.database_disk(here) == (embedded.cluster.data, "")
    elsewhere = builders.env(
        builders.new_folder(root), Database({"host": "192.0.2.1", "port": "5432", "user": "x", "dbname": "b"})
    )
    assert disk_metrics.database_disk(elsewhere) == (None, "the server is on another machine")
    sample = builders.env(builders.new_folder(root))
    assert disk_metrics.database_disk(sample) == (None, "the sample's server was never started")


def test_real_backups_are_watched_from_the_first_one_on(root: Path, database: Database) -> None:
    env = builders.env(root, database, scheduled=True)
    manifest = sandboxes.take_backup(env)
    assert [one.kind for one in health_checks.find_problems(env)] == []
    later = at(env, env.ctx.clock() + timedelta(hours=2))
    (unproven,) = health_checks.find_problems(later)
    assert (unproven.kind, unproven.level) == ("unproven", Level.CRITICAL)
    drill.drill(env, BackupName.of(manifest.dump.file))
    assert health_checks.find_problems(later) == []
    kept = environment_status.read_folder_status(later).objectives
    assert (kept.rpo_kept, kept.rto_kept, kept.coverage.share) == (True, True, 1)


def test_measurements_know_the_files_of_a_disk(root: Path) -> None:
    disk = disk_metrics.measure_disks(env_of(root).ctx)[0]
    assert isinstance(disk.now, Measurement)
    facts = os.statvfs(root)
    assert disk.now.total_files == facts.f_files
