"""Pins: which can be set, until when, and the refusals of the others."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import journal_file, locks
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, LedgerError, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

OLD = "ledgerflow_dev_20261101_120000.dump"


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    """dev in Vienna's time with ten backups, the oldest of the first of November."""
    made = builders.env(root, now=lambda: NOON, time_zone="Europe/Vienna", expire_share=1.0)
    for days in (22, *range(9)):
        BackupFolder(backup_folder_of(made).path).add_backup(NOON - timedelta(days=days))
    return made


def test_a_pinned_backup_stays_until_it_is_unpinned(env: EnvironmentContext) -> None:
    made = pins.pin_on_request(env, OLD, "year-end closing")
    assert (made.reason, made.until, made.who) == ("year-end closing", None, "tests")
    assert (
        BackupName.of(OLD).stem not in rotate.carry_out_rotation(env, RotateRequest(carry_out=True)).removed
    )
    assert pins.active_pins(env) == [made]
    assert pins.unpin(env, OLD) == OLD
    assert pins.active_pins(env) == []
    assert rotate.carry_out_rotation(env, RotateRequest(carry_out=True)).removed == (BackupName.of(OLD).stem,)
    noted = [
        (entry["what"], entry["file"], entry["reason"])
        for entry in journal_file.read_entries(env.ctx.settings.state_dir)
        if "pin" in entry["what"]
    ]
    assert noted == [("pin", OLD, "year-end closing"), ("unpin", OLD, "year-end closing")]


def test_what_a_rotation_has_just_removed_is_not_said_to_be_pinned(env: EnvironmentContext) -> None:
    """It existed at first, and was removed before the pin was written."""
    name = BackupName.of(OLD)
    assert name.stem in rotate.carry_out_rotation(env, RotateRequest(carry_out=True)).removed
    with pytest.raises(Refused, match="is gone: a rotation removed it a moment ago"):
        pins.pin(env, name, "wanted")
    assert not backup_folder_of(env).taken(name.pin)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("", None),
        ("90d", NOON + timedelta(days=90)),
        ("1d", NOON + timedelta(days=1)),
        ("2027-01-31", datetime(2027, 1, 31, 23, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, 23, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 2, 29, 23, tzinfo=UTC)),
        ("2027-07-01", datetime(2027, 7, 1, 22, tzinfo=UTC)),
    ],
)
def test_a_pin_holds_to_the_end_of_the_day_in_the_environments_zone(
    env: EnvironmentContext, until: str, end: datetime | None
) -> None:
    made = pins.pin_on_request(env, OLD, "a reason", until)
    assert made.until == end
    assert made.holds(NOON)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("2026-11-22", "UNTIL=2026-11-22 is in the past: it is 2026-11-23."),
        ("1999-01-01", "is in the past"),
        ("0d", "is not between 1d and 36500d"),
        ("999999d", "is not between 1d and 36500d"),
        ("2027-02-29", "is neither a day nor a number of days"),
        ("next week", "is neither a day nor a number of days"),
        ("31.01.2027", "is neither a day nor a number of days"),
        ("90", "is neither a day nor a number of days"),
        ("-5d", "is neither a day nor a number of days"),
    ],
)
def test_an_end_that_cannot_be_is_refused_and_nothing_is_pinned(
    env: EnvironmentContext, until: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)) as told:
        pins.pin_on_request(env, OLD, "a reason", until)
    assert "UNTIL=2027-01-31" in told.value.hint
    assert pins.active_pins(env) == []
    [noted] = journal_file.read_entries(env.ctx.settings.state_dir)
    assert (noted["what"], noted["result"]) == ("pin", "refused")


@pytest.mark.parametrize(
    ("file", "reason", "said", "hint"),
    [
        ("", "a reason", "pin needs FILE=", "make status"),
        (OLD, "", "pin needs REASON=", f"LEDGER_ENV=dev make pin REASON='year-end closing' FILE={OLD}"),
        (OLD, "  ", "pin needs REASON=", "make pin"),
        ("nothing.dump", "a reason", "There is no nothing.dump in", "make status"),
        ("2020-01-01", "a reason", "dev has no backup that is '2020-01-01'", "make status"),
        ("../prod/x.dump", "a reason", "is not in dev's folder", "Name a file"),
        ("notes.txt", "a reason", "does not end in .dump", "make status"),
    ],
)
def test_a_pin_without_a_backup_or_a_reason_says_so(
    env: EnvironmentContext, file: str, reason: str, said: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as told:
        pins.pin_on_request(env, file, reason)
    assert said in told.value.message
    assert hint in told.value.hint
    assert told.value.exit_code == 2
    assert pins.active_pins(env) == []


def test_a_day_and_latest_name_a_backup_as_well(env: EnvironmentContext) -> None:
    assert pins.pin_on_request(env, "2026-11-01", "a reason").file == OLD
    assert pins.pin_on_request(env, "latest", "a reason").file == "ledgerflow_dev_20261123_120000.dump"
    assert len(pins.active_pins(env)) == 2


def test_a_longer_pin_is_not_shortened_by_the_way(env: EnvironmentContext) -> None:
    pins.pin_on_request(env, OLD, "for good")
    with pytest.raises(Refused, match="is pinned without an end already: for good") as told:
        pins.pin_on_request(env, OLD, "for a week", "7d")
    assert f"make unpin FILE={OLD}" in told.value.hint
    assert [one.reason for one in pins.active_pins(env)] == ["for good"]


def test_a_shorter_pin_is_made_longer(env: EnvironmentContext) -> None:
    pins.pin_on_request(env, OLD, "for a week", "7d")
    assert pins.pin_on_request(env, OLD, "for a year", "365d").until == NOON + timedelta(days=365)
    assert [one.reason for one in pins.active_pins(env)] == ["for a year"]


def test_unpin_says_what_it_cannot(env: EnvironmentContext) -> None:
    cases: list[tuple[str, type[LedgerError], str]] = [
        ("", SettingsError, "unpin needs FILE="),
        ("nothing.dump", SettingsError, "There is no nothing.dump"),
        (OLD, Refused, f"{OLD} is not pinned."),
    ]
    for file, kind, said in cases:
        with pytest.raises(kind, match=re.escape(said)) as told:
            pins.unpin(env, file)
        assert "make status" in told.value.hint


def test_a_pin_that_has_ended_is_not_listed_one_that_cannot_be_read_is(env: EnvironmentContext) -> None:
    pins.pin(env, BackupName.of(OLD), "over", NOON - timedelta(seconds=1))
    assert pins.active_pins(env) == []
    (backup_folder_of(env).path / OLD.replace(".dump", ".pin.json")).write_bytes(b"{}")
    [found] = pins.active_pins(env)
    assert found.file == OLD
    assert "changed or cut" in found.reason
    assert pins.unpin(env, OLD) == OLD


def test_what_is_just_being_removed_cannot_be_pinned(env: EnvironmentContext) -> None:
    stem = BackupName.of(OLD).stem
    with (
        locks.lock_for_removal(env.ctx.settings.state_dir, Environment.DEV, stem),
        pytest.raises(Busy, match="being removed by a rotation of dev"),
    ):
        pins.pin_on_request(env, OLD, "too late")
    assert pins.active_pins(env) == []
