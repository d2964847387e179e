"""Rotation in Dagster: the plan, the run that carries it out, the partitions of removed backups."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster import AssetKey, AssetMaterialization

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import rotate
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

DUMP = AssetKey(["dev", "dump"])


def fill(env: EnvironmentContext, days: int) -> list[str]:
    """A proven backup of noon, UTC, on each of the last so many days; their days."""
    noon = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    taken = [noon - timedelta(days=number) for number in range(days)]
    for instant in taken:
        BackupFolder(backup_folder_of(env).path).add_backup(instant)
    return [instant.date().isoformat() for instant in taken]


def launched(
    bench: Bench, opened: dg.DagsterInstance, settings: Mapping[str, Any] | None = None, **config: Any
) -> dg.ExecuteInProcessResult:
    """The job as a schedule launches it."""
    job = build_definitions(bench.settings(**(settings or {}))).resolve_job_def("dev_rotate")
    named = {"environment": "dev", **config}
    ops = {"ops": {"dev__rotation": {"config": named}}} if config else {}
    return job.execute_in_process(instance=opened, run_config=ops, raise_on_error=False)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [made] = result.asset_materializations_for_node("dev__rotation")
    return {name: entry.value for name, entry in made.metadata.items()}


def recorded(opened: dg.DagsterInstance) -> set[str]:
    return opened.get_materialized_partitions(DUMP)


def test_the_plan_is_read_before_it_is_carried_out(bench: Bench) -> None:
    env = bench.env()
    days = fill(env, 10)
    names = BackupFolder(backup_folder_of(env).path).names()
    with bench.instance() as opened:
        result = launched(bench, opened)
    assert result.success
    found = metadata(result)
    assert BackupFolder(backup_folder_of(env).path).names() == names, "a plan touched something"
    assert (found["expire"], found["keep"], found["asks"]) == (2, 8, "nothing")
    assert found["window"] == f"from {days[7]} on"
    first, _, *rows = found["plan"].splitlines()
    assert first == "| backup | day | decision | why |"
    assert [row.split(" | ")[2] for row in rows] == ["EXPIRE", "EXPIRE", *["keep"] * 8]
    assert "and nothing else keeps it" in rows[0]
    assert "it is the newest proven one" in rows[2]


def test_carried_out_the_partitions_go_with_their_backups(bench: Bench) -> None:
    env = bench.env()
    days = fill(env, 10)
    with bench.instance() as opened:
        for asset in (DUMP, AssetKey(["dev", "drill"])):
            for day in days:
                opened.report_runless_asset_event(AssetMaterialization(asset, partition=day))
        assert recorded(opened) == set(days)
        result = launched(bench, opened, carry_out=True, confirm="")
        assert result.success
        found = metadata(result)
        assert found["removed"] == 2
        assert found["days_wiped"] == f"{days[9]}, {days[8]}"
        assert recorded(opened) == set(days[:8])
        assert opened.get_materialized_partitions(AssetKey(["dev", "drill"])) == set(days[:8])
        again = launched(bench, opened, carry_out=True, confirm="")
        assert metadata(again)["days_wiped"] == "none"
    assert len(removal_history.removed_backups(env)) == 2
    assert removal_history.unfinished_removals(env) == []


def test_days_that_a_killed_rotation_had_no_time_to_wipe_are_wiped_by_the_next(bench: Bench) -> None:
    env = bench.env()
    days = fill(env, 10)
    with bench.instance() as opened:
        for day in days:
            opened.report_runless_asset_event(AssetMaterialization(DUMP, partition=day))
        rotate.carry_out_rotation(env, RotateRequest(carry_out=True))  # and the process dies here
        assert recorded(opened) == set(days)
        assert metadata(launched(bench, opened, carry_out=True))["removed"] == 0
        assert recorded(opened) == set(days[:8])


def test_a_rotation_that_asks_fails_with_its_hint_and_removes_nothing(bench: Bench) -> None:
    env = bench.env()
    fill(env, 20)
    names = BackupFolder(backup_folder_of(env).path).names()
    with bench.instance() as opened:
        refused = launched(bench, opened, carry_out=True, confirm="")
        assert not refused.success
        [failure] = refused.get_step_failure_events()
        told = failure.step_failure_data.user_failure_data
        assert told is not None
        assert "12 of 20 backups would be removed at once, more than 34%" in (told.description or "")
        assert "LEDGER_ENV=dev make rotate CONFIRM=dev" in str(told.metadata["hint"].value)
        assert told.metadata["exit_code"].value == 3
        assert BackupFolder(backup_folder_of(env).path).names() == names
        plan = metadata(launched(bench, opened))
        assert "12 of 20" in plan["asks"]
        assert metadata(launched(bench, opened, carry_out=True, confirm="dev"))["removed"] == 12


def with_location(bench: Bench, days: int) -> dict[str, Any]:
    """Settings with a location that has all of dev's backups, and keeps those of so many days."""
    (bench.root / "usb").mkdir()
    location = {"name": "usb", "kind": "folder", "url": str(bench.root / "usb")}
    archiving.archive_backups(bench.env(locations=[location]))
    return {"locations": [{**location, "retention_days": days}]}


def test_what_expires_in_a_location_is_planned_and_removed_with_the_rest(bench: Bench) -> None:
    days = fill(bench.env(), 8)
    settings = with_location(bench, 5)
    names = BackupFolder(bench.root / "usb" / "dev").names()
    with bench.instance() as opened:
        plan = metadata(launched(bench, opened, settings))
        assert BackupFolder(bench.root / "usb" / "dev").names() == names, "a plan touched something"
        assert (plan["expire"], plan["keep"]) == (0, 8)
        assert "| usb | 2 | " in plan["locations"]
        rows = plan["locations_plan"].splitlines()[2:]
        assert [row.split(" | ")[3] for row in rows] == ["EXPIRE", "EXPIRE", *["keep"] * 6]
        assert f" | {days[6]} | EXPIRE | it is older than the window" in rows[0]
        done = metadata(launched(bench, opened, settings, carry_out=True))
    assert (done["removed"], done["days_wiped"]) == (0, "none"), "the primary folder keeps every day"
    assert "| 2 | nothing |" in done["locations"]
    assert len(BackupFolder(bench.root / "usb" / "dev").stems()) == 6


def test_a_location_that_asks_fails_the_run_after_the_folder_was_rotated(bench: Bench) -> None:
    fill(bench.env(), 10)
    settings = with_location(bench, 1)
    with bench.instance() as opened:
        refused = launched(bench, opened, settings, carry_out=True)
        assert not refused.success
        [failure] = refused.get_step_failure_events()
        failed = failure.step_failure_data.user_failure_data
        assert failed is not None
        assert "has to be confirmed for usb: 8 of 10 backups would be removed" in (failed.description or "")
        assert "LEDGER_ENV=dev make rotate CONFIRM=dev" in str(failed.metadata["hint"].value)
        assert len(BackupFolder(backup_folder_of(bench.env()).path).stems()) == 8
        assert len(BackupFolder(bench.root / "usb" / "dev").stems()) == 10
        assert launched(bench, opened, settings, carry_out=True, confirm="dev").success
    assert len(BackupFolder(bench.root / "usb" / "dev").stems()) == 2


def test_with_nothing_proven_it_says_so(bench: Bench) -> None:
    with bench.instance() as opened:
        found = metadata(launched(bench, opened, carry_out=True))
    assert (found["window"], found["removed"]) == ("no backup is proven, so none expires", 0)


def test_the_partitions_end_where_rotation_measures_also_beside_one_from_the_future(bench: Bench) -> None:
    """The newest proven one is three days old, but for one that was taken by a clock years ahead."""
    env = bench.env()
    store = BackupFolder(backup_folder_of(env).path)
    for number in (*range(3, 14), -1000):
        store.add_backup(clock.now() - timedelta(days=number))
    edge = rotate.plan_rotation(env).plan.edge
    assert edge == (clock.now() - timedelta(days=10)).date()
    assert backup_days(env).get_first_partition_key() == edge.isoformat()
