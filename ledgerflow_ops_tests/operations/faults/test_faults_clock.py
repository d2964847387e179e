"""A clock that jumps: never a wrong day, never a wrong "done", and durations that stay sane."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backfill import missed_days
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.verification import verify
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

_DAY = date(2026, 11, 23)
_VIENNA = "Europe/Vienna"


@dataclass
class Clock:
    """A clock that stands still until the test sets it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def set(self, to: datetime) -> None:
        self.now = to


def adopted(env: EnvironmentContext, day: date) -> Manifest | None:
    """The backup of a past day, None where there is none to be had."""
    try:
        return missed_days.obtain_backup(env, day)
    except Refused:
        return None


def _jumping(clock: Clock, step: Step, to: datetime) -> ActionAtStep:
    """A Reporter that sets the clock when a step is announced."""
    return ActionAtStep(at=step, action=lambda: clock.set(to))


@pytest.mark.parametrize(
    ("step", "to"),
    [
        (Step.SNAPSHOT, NOON - timedelta(hours=1)),
        (Step.SNAPSHOT, NOON + timedelta(hours=1)),
        (Step.DUMP, NOON - timedelta(days=400)),
        (Step.DUMP, NOON + timedelta(days=3650)),
        (Step.COMMIT, NOON - timedelta(hours=1)),
    ],
)
def test_a_backup_during_which_the_clock_jumps_is_filed_under_its_snapshots_day(
    sandbox: Sandbox, step: Step, to: datetime
) -> None:
    clock = Clock()
    reporter = _jumping(clock, step, to)
    manifest = sandboxes.take_backup(sandbox.env(reporter, clock))
    assert reporter.fired
    snapshot = to if step is Step.SNAPSHOT else NOON
    assert (manifest.recovery_point, manifest.backup_day) == (snapshot, snapshot.date())
    assert manifest.dump.file == f"ledgerflow_dev_{snapshot:%Y%m%d_%H%M}.dump"
    assert manifest.started_at == NOON
    assert all(0 <= seconds < 60 for seconds in manifest.durations.values())
    (entry,) = sandbox.entries()
    assert (entry.state, entry.day) == ("written", snapshot.date())


def test_a_drill_during_which_the_clock_jumps_measures_what_it_took(sandbox: Sandbox) -> None:
    clock = Clock()
    name = BackupName.of(sandboxes.take_backup(sandbox.env(now=clock)).dump.file)
    reporter = _jumping(clock, Step.RESTORE, NOON - timedelta(days=1))
    env = sandbox.env(reporter, clock)
    sandboxes.prove_backup(env, next(entry.manifest for entry in sandbox.entries() if entry.manifest))
    assert reporter.fired
    (entry,) = sandbox.entries()
    assert entry.proof is not None
    assert entry.proof.examined_at == NOON - timedelta(days=1), "the clock's own word, right or wrong"
    assert entry.proof.rto_seconds is not None
    assert 0 < entry.proof.rto_seconds < 60
    assert all(0 <= seconds < 60 for seconds in entry.proof.durations.values())
    assert entry.name == name


@pytest.mark.parametrize("jump", [timedelta(hours=12), timedelta(days=3650), -timedelta(hours=13)])
def test_a_backup_ordered_for_a_day_is_never_filed_under_another(sandbox: Sandbox, jump: timedelta) -> None:
    clock = Clock()
    reporter = _jumping(clock, Step.SNAPSHOT, NOON + jump)
    with pytest.raises(LedgerError, match="the backup was requested for 2026-11-23, and it is") as failure:
        sandboxes.take_backup(sandbox.env(reporter, clock), day=_DAY)
    assert reporter.fired
    assert failure.value.exit_code == 1
    assert sandbox.files() == {}


def test_a_backup_across_midnight_keeps_the_day_of_its_snapshot(sandbox: Sandbox) -> None:
    clock = Clock(NOON.replace(hour=23, minute=59, second=59))
    reporter = _jumping(clock, Step.SEAL, NOON + timedelta(hours=12, seconds=2))
    manifest = sandboxes.take_backup(sandbox.env(reporter, clock), day=_DAY)
    assert (manifest.backup_day, manifest.finished_at.date()) == (_DAY, _DAY + timedelta(days=1))
    assert manifest.dump.file == "ledgerflow_dev_20261123_2359.dump"


def test_the_day_is_that_of_the_environments_time_zone(sandbox: Sandbox) -> None:
    late = Clock(NOON.replace(hour=23, minute=30))
    manifest = sandboxes.take_backup(sandbox.env(now=late, time_zone=_VIENNA), day=_DAY + timedelta(days=1))
    assert (manifest.backup_day, manifest.time_zone) == (_DAY + timedelta(days=1), _VIENNA)
    assert manifest.dump.file == "ledgerflow_dev_20261124_0030.dump"


def test_the_hour_that_comes_twice_gives_two_backups_in_their_true_order(sandbox: Sandbox) -> None:
    # On 25 October 2026 it is half past two in Vienna twice, an hour apart.
    clock = Clock(datetime(2026, 10, 25, 0, 30, 15, tzinfo=UTC))
    env = sandbox.env(now=clock, time_zone=_VIENNA)
    first = sandboxes.take_backup(env)
    clock.set(clock.now + timedelta(hours=1))
    second = sandboxes.take_backup(env)
    assert first.dump.file == "ledgerflow_dev_20261025_0230.dump"
    assert second.dump.file == "ledgerflow_dev_20261025_023015.dump"
    assert second.recovery_point - first.recovery_point == timedelta(hours=1)
    assert [entry.name.dump for entry in catalog.newest_first(env)] == [second.dump.file, first.dump.file]


def test_a_second_backup_of_a_minute_takes_the_second_into_its_name_and_a_third_of_it_is_refused(
    sandbox: Sandbox,
) -> None:
    env = sandbox.env(now=Clock(NOON.replace(second=7)))
    assert backup.backup(env).dump.file == "ledgerflow_dev_20261123_1200.dump"
    assert backup.backup(env).dump.file == "ledgerflow_dev_20261123_120007.dump"
    files = sandbox.files()
    with pytest.raises(Refused, match="already a backup of this second") as refusal:
        backup.backup(env)
    assert str(refusal.value.hint) == "Run it again."
    assert sandbox.files() == files


def test_a_clock_that_was_ahead_once_is_reported_and_later_backups_still_work(sandbox: Sandbox) -> None:
    ahead = sandboxes.take_backup(sandbox.env(now=Clock(NOON + timedelta(days=3650))))
    sandboxes.prove_backup(sandbox.env(), ahead)
    env = sandbox.env(now=Clock())
    assert status.status(env).folder_status.objectives.rpo_seconds == -timedelta(days=3650).total_seconds()
    manifest = sandboxes.take_backup(env, day=_DAY)
    assert manifest.backup_day == _DAY
    assert {entry.day for entry in sandbox.entries()} == {_DAY, ahead.backup_day}


@pytest.mark.parametrize("days", [-1, 1, -400, 3650])
def test_another_day_than_today_is_refused_and_nothing_is_written(sandbox: Sandbox, days: int) -> None:
    recorder, day = Recorder(), _DAY + timedelta(days=days)
    with pytest.raises(Refused, match=f"There is no backup of dev for {day}") as refusal:
        backup.backup(sandbox.env(recorder, Clock()), day=day)
    assert refusal.value.exit_code == 3
    assert "today is 2026-11-23" in refusal.value.message
    assert "it will be adopted" in refusal.value.hint
    assert recorder.steps == [Step.PREFLIGHT]
    assert not backup_folder_of(sandbox.env()).path.exists()


def test_a_day_that_has_passed_is_adopted_from_the_folder(sandbox: Sandbox) -> None:
    clock = Clock(NOON - timedelta(days=2))
    first = backup.backup(sandbox.env(now=clock))
    clock.set(NOON - timedelta(days=1))
    earlier, later = (backup.backup(sandbox.env(now=clock), BackupRequest(file=f"{n}.dump")) for n in "ab")
    assert earlier.recovery_point == later.recovery_point
    clock.set(NOON - timedelta(hours=13))
    newest = backup.backup(sandbox.env(now=clock))
    files = sandbox.files()

    today = sandbox.env(now=Clock())
    assert adopted(today, _DAY - timedelta(days=2)) == first
    assert adopted(today, _DAY - timedelta(days=1)) == newest
    assert adopted(today, _DAY - timedelta(days=3)) is None
    assert adopted(today, _DAY + timedelta(days=1)) is None
    assert sandbox.files() == files, "adopting changes nothing"


def test_todays_backup_is_taken_and_not_adopted(sandbox: Sandbox) -> None:
    backup.backup(sandbox.env(now=Clock()))
    assert adopted(sandbox.env(now=Clock(NOON + timedelta(hours=1))), _DAY) is None


def test_what_is_bad_or_no_backup_is_not_adopted(sandbox: Sandbox) -> None:
    yesterday = Clock(NOON - timedelta(days=1))
    env, today = sandbox.env(now=yesterday), sandbox.env(now=Clock())
    good = backup.backup(env)
    flipped, cut = (backup.backup(env, BackupRequest(file=f"{name}.dump")) for name in ("flipped", "cut"))
    folder = backup_folder_of(env)
    folder.file(cut.dump.file).write_bytes(b"PGDMP cut off")
    data = folder.read(flipped.dump.file)
    folder.file(flipped.dump.file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    # What can be seen at a glance is left out at once; of what only reading shows, once it has been read.
    verify.verify(env, BackupName.of(flipped.dump.file))
    assert adopted(today, yesterday.now.date()) == good
    folder.remove(BackupName.of(good.dump.file).manifest)
    assert adopted(today, yesterday.now.date()) is None
