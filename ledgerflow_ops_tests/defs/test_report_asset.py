"""The report as an asset: written by a run, with its pictures where the page shows them."""

import base64
import re
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster import AssetKey

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.monitoring import first_watch
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes import backup_days


def written(bench: Bench) -> dict[str, object]:
    """The metadata of the report asset, materialized by its job."""
    with bench.instance() as opened:
        job = build_definitions(bench.settings()).resolve_job_def("report_job")
        assert job.execute_in_process(instance=opened).success
        event = opened.get_latest_materialization_event(AssetKey("report"))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}


def test_a_run_writes_it_and_shows_its_pictures(bench: Bench) -> None:
    env = bench.env(Environment.PROD)
    backup_days.add_days(env, clock.now() - timedelta(hours=1), 12, backup_days.mixed_day)
    first_watch.watched_since(bench.env(now=lambda: clock.now() - timedelta(days=3)))
    told = written(bench)
    assert Path(str(told["file"])).read_text().startswith("<!DOCTYPE html>")
    assert (told["critical"], told["prod"]) == (True, "warning"), "dev has a database and no backup"
    assert told["dev"] == "critical"
    for name in ("calendar", "restores"):
        found = re.fullmatch(rf"!\[{name}\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", str(told[name]))
        assert found, "the page shows nothing but such pictures"
        assert "<svg" in base64.b64decode(found[1]).decode()


def test_it_is_written_when_the_catalog_is_and_by_the_clock(bench: Bench) -> None:
    definitions = build_definitions(bench.settings())
    node = definitions.resolve_asset_graph().get(AssetKey("report"))
    assert node.parent_keys == {AssetKey("catalog")}
    assert node.group_name == "shared"
    assert node.automation_condition is not None
    told = str(node.automation_condition)
    assert "0 */6 * * *" in told
    targets = [
        sensor.asset_selection
        for sensor in definitions.sensors or ()
        if isinstance(sensor, dg.AutomationConditionSensorDefinition)
    ]
    assert any("report" in str(target) for target in targets)
