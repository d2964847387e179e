"""Copies in archive locations in Dagster's storage: their days, their alerts, and what resolves these."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.monitoring import run_outcomes
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.runs.run_records import Cursor, ended_since
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder


@pytest.fixture
def instance(bench: Bench) -> Iterator[dg.DagsterInstance]:
    with bench.instance() as opened:
        yield opened


def locations(bench: Bench) -> list[dict[str, str]]:
    for name in ("usb", "far"):
        (bench.root / name).mkdir(exist_ok=True)
    return [{"name": name, "kind": "folder", "url": str(bench.root / name)} for name in ("usb", "far")]


def backups(bench: Bench, *ago: int, rung: Rung = Rung.VALID) -> list[Manifest]:
    folder = BackupFolder(bench.root / "backups" / "dev")
    return [folder.add_backup(clock.now() - timedelta(days=days), rung) for days in ago]


def archive(
    bench: Bench, opened: dg.DagsterInstance, day: str, listed: list[dict[str, str]]
) -> dg.ExecuteInProcessResult:
    defs = build_definitions(bench.settings(locations=listed), None, [Environment.DEV])
    job = defs.resolve_job_def("dev_archive")
    return job.execute_in_process(instance=opened, partition_key=day, raise_on_error=False)


def statuses(bench: Bench, opened: dg.DagsterInstance, listed: list[dict[str, str]]) -> dict[str, str]:
    graph = build_definitions(bench.settings(locations=listed), None, [Environment.DEV]).resolve_asset_graph()
    key = dg.AssetKey(["dev", "archive"])
    days = graph.get(key).partitions_def
    assert days
    found = opened.get_status_by_partition(key, days.get_partition_keys(), days) or {}
    return {day: status.value for day, status in found.items() if status}


def findings(opened: dg.DagsterInstance) -> dict[str, list[Finding]]:
    """The findings after all runs so far."""
    runs, _ = ended_since(opened, Cursor(datetime(2020, 1, 1, tzinfo=UTC)))
    after: run_outcomes.OpenFindings = {}
    for run in runs:
        after = run_outcomes.findings_after(after, run)
    return {source: list(found) for source, found in after.items() if found}


def test_a_run_copies_what_is_missing_on_each_day(bench: Bench, instance: dg.DagsterInstance) -> None:
    listed = locations(bench)
    today, earlier = backups(bench, 0, 2)
    result = archive(bench, instance, today.backup_day.isoformat(), listed)
    assert result.success
    assert statuses(bench, instance, listed) == {
        today.backup_day.isoformat(): "MATERIALIZED",
        earlier.backup_day.isoformat(): "MATERIALIZED",
    }
    event = instance.get_latest_materialization_event(dg.AssetKey(["dev", "archive"]))
    assert event
    assert event.asset_materialization
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert told["file"] == today.dump.file, "the overview shows the newest day"
    assert "| usb | copied and read back now |" in str(told["copies"])
    assert f"make restore FILE=usb:{today.dump.file}" in str(told["restore"])
    copied, rule = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.partition == today.backup_day.isoformat()
    ]
    assert (copied.check_name, copied.passed) == ("copied", True)
    assert (rule.check_name, rule.passed, rule.severity.value) == ("three_two_one", False, "WARN")
    assert findings(instance) == {}, "what the settings cannot meet is doctor's to say"


def test_a_location_that_is_away_is_an_alert_of_its_own_until_the_copies_are_there(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    listed = locations(bench)
    today, earlier = backups(bench, 0, 1)
    (bench.root / "usb").rmdir()
    result = archive(bench, instance, today.backup_day.isoformat(), listed)
    assert not result.success
    assert set(statuses(bench, instance, listed).values()) == {"FAILED"}
    assert (bench.root / "far" / "dev" / today.dump.file).exists()
    (open_,) = findings(instance).values()
    assert {one.level for one in open_} == {Level.WARNING}
    assert {one.cause for one in open_} == {"Copies of dev in archive locations are missing."}
    assert {one.figures["backup"] for one in open_} == {today.dump.file, earlier.dump.file}
    assert all("The archive location usb" in one.message for one in open_)
    assert all("make archive" in one.hint for one in open_)

    (bench.root / "usb").mkdir()
    assert archive(bench, instance, today.backup_day.isoformat(), listed).success
    assert set(statuses(bench, instance, listed).values()) == {"MATERIALIZED"}
    assert findings(instance) == {}


def test_a_later_day_does_not_resolve_a_copy_that_is_still_missing(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    listed = locations(bench)
    today, earlier = backups(bench, 0, 1)
    away = bench.root / "usb" / "dev"
    away.mkdir()
    (away / earlier.dump.file).write_bytes(b"somebody else's")
    assert archive(bench, instance, today.backup_day.isoformat(), listed).success
    (open_,) = findings(instance).values()
    (one,) = open_
    assert one.figures["backup"] == earlier.dump.file
    assert "exists already, and differs" in one.message


def test_a_day_without_a_proven_backup_is_refused(bench: Bench, instance: dg.DagsterInstance) -> None:
    listed = locations(bench)
    (made,) = backups(bench, 0, rung=Rung.READABLE)
    day = made.backup_day.isoformat()
    result = archive(bench, instance, day, listed)
    (failure,) = [
        event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure
    ]
    assert failure
    assert failure.description == f"There is no proven backup of dev of {day}: only proven ones are copied."
    assert failure.metadata["exit_code"].value == 3
    assert not (bench.root / "usb" / "dev").exists()


def test_without_locations_nothing_is_added(bench: Bench) -> None:
    def names(**dev: Any) -> tuple[set[str], set[str]]:
        defs = build_definitions(bench.settings(**dev), None, [Environment.DEV])
        keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
        return keys, {job.name for job in defs.get_repository_def().get_all_jobs()}

    (plain, jobs), (more, more_jobs) = names(), names(locations=locations(bench))
    assert more - plain == {"dev/archive"}
    assert more_jobs - jobs == {"dev_archive", "dev_examine"}
    assert plain <= more
