"""The rolling drill in Dagster's storage: which backups were drilled, what is covered, what is bad."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import drill, rolling_drill
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.e2e.commands import flip_bit


def made(bench: Bench, ago: int) -> Manifest:
    return backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=ago)))


def drilled(bench: Bench, manifest: Manifest, ago: int) -> None:
    drill.drill(bench.env(now=lambda: clock.now() - timedelta(days=ago)), BackupName.of(manifest.dump.file))


def night(bench: Bench, opened: dg.DagsterInstance, **dev: Any) -> dg.ExecuteInProcessResult:
    defs = build_definitions(bench.settings(**dev), None, [Environment.DEV])
    return defs.resolve_job_def("dev_redrill").execute_in_process(instance=opened, raise_on_error=False)


def standing(opened: dg.DagsterInstance) -> dict[str, Any]:
    event = opened.get_latest_materialization_event(dg.AssetKey(["dev", "coverage"]))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.fixture
def instance(bench: Bench) -> Iterator[dg.DagsterInstance]:
    with bench.instance() as opened:
        yield opened


def test_restores_the_oldest_proofs_again_and_puts_them_on_their_days(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    old, fresh, never = (made(bench, ago) for ago in (6, 5, 4))
    drilled(bench, old, 6)
    drilled(bench, fresh, 1)
    assert night(bench, instance, redrill_days=4).success
    told = standing(instance)
    assert (told["kept"], told["covered"], told["overdue_count"]) == (3, 3, 0)
    assert told["standing"] == "3 of 3 backups were restored within 4 days."
    rows = [line for line in told["tonight"].splitlines() if ".dump" in line]
    assert [manifest.dump.file in row for manifest, row in zip((never, old), rows, strict=True)] == [True] * 2
    assert "never restored" in rows[0]
    assert "restored 6 days ago" in rows[1]
    days = {manifest.backup_day.isoformat() for manifest in (old, never)}
    assert bench.materialized("dev/drill") == days, "the fresh one had no turn"
    verdicts = bench.verdicts("dev/drill")
    assert {verdict.partition for verdict in verdicts} == days
    assert all(verdict.passed for verdict in verdicts)
    assert rolling_drill.drill_status(bench.env(redrill_days=4)).whole
    assert night(bench, instance, redrill_days=4).success
    assert ".dump" not in standing(instance)["tonight"], "nothing is left to do"


def test_a_bad_one_is_reported_after_all_had_their_turn(bench: Bench, instance: dg.DagsterInstance) -> None:
    bad, good = made(bench, 3), made(bench, 4)
    drilled(bench, bad, 3)
    flip_bit(backup_folder_of(bench.env()).file(bad.dump.file))
    done = night(bench, instance, redrill_days=1)
    assert not done.success
    [failed] = [event for event in done.all_events if event.is_step_failure]
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    assert bad.dump.file in str(said.description)
    assert "found 1 bad backup and could not judge 0." in str(said.description)
    assert said.metadata["exit_code"].value == 4
    env = bench.env()
    assert catalog.entry(env, BackupName.of(good.dump.file)).proven
    assert catalog.entry(env, BackupName.of(bad.dump.file)).bad
    verdicts = [one for one in bench.verdicts("dev/drill") if one.partition == bad.backup_day.isoformat()]
    assert verdicts
    assert not any(verdict.passed for verdict in verdicts)
    assert standing(instance)["cannot_be_restored_here"] == f"- {bad.dump.file}: it is bad"


def test_no_turn_begins_for_which_there_is_no_time(bench: Bench) -> None:
    """The first drill takes longer than expected: the clock decides that the time is used up."""
    for ago in (3, 4, 5):
        made(bench, ago)
    env = bench.env(redrill_minutes=1)
    turns = rolling_drill.plan_drills(env)
    assert len(turns) == 3
    taken = list(rolling_drill.run_rolling_drill(env, budget_seconds=turns[0].seconds + 0.1))
    assert [one.planned.kept.file for one in taken] == [turns[0].kept.file]
    left = rolling_drill.drill_status(env)
    assert len(left.never) == 2
    assert not left.whole
