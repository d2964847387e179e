"""What the page shows of a day whose backup was found to be bad, and of the newest day beside older ones."""

from datetime import date, timedelta

import dagster as dg
import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.pages import page
from ledgerflow_ops_tests.defs.test_runs import _Saboteur, order, the_dump
from ledgerflow_ops_tests.e2e.commands import flip_bit

RED, GREEN = "FAILED", "MATERIALIZED"
ASSETS = ("dump", "drill")


def colours(bench: Bench, env: EnvironmentContext, day: date) -> tuple[str | None, ...]:
    """What the partitions of dump and drill look like on a day."""
    graph = build_definitions(bench.settings()).resolve_asset_graph()
    with bench.instance() as opened:
        pages = [page(opened, graph, dg.AssetKey([str(env.environment), name])) for name in ASSETS]
    return tuple(shown.statuses.get(day.isoformat()) for shown in pages)


def drill_checks(bench: Bench, day: date) -> set[tuple[str, str]]:
    """The checks of the drill's partition on a day, with how they stand."""
    graph = build_definitions(bench.settings()).resolve_asset_graph()
    with bench.instance() as opened:
        shown = page(opened, graph, dg.AssetKey(["dev", "drill"])).verdicts
    return {(check, status) for (check, of_day), (status, _) in shown.items() if of_day == day.isoformat()}


@pytest.mark.parametrize("examined", ["verify", "drill"])
def test_a_bad_dump_is_red_and_green_again_once_an_examination_passes(
    bench: Bench, env: EnvironmentContext, examined: str
) -> None:
    today = env.today()
    assert order(env).failure is None
    assert colours(bench, env, today) == (GREEN, GREEN)
    flip_bit(the_dump(env))
    for _ in range(2):
        failure = order(env, examined).failure
        assert failure is not None
        assert "UniqueViolation" not in failure.message
        assert colours(bench, env, today) == (RED, RED)
        assert drill_checks(bench, today) == {("restorable", "FAILED"), ("data_rules", "FAILED")}

    flip_bit(the_dump(env))  # the same bit: the bytes are what they were
    assert order(env, "verify").failure is None
    assert colours(bench, env, today) == (GREEN, RED), "only a drill proves it"
    assert order(env, "drill").failure is None
    assert colours(bench, env, today) == (GREEN, GREEN)
    assert drill_checks(bench, today) == {("restorable", "SUCCEEDED"), ("data_rules", "SUCCEEDED")}


def test_a_bad_dump_of_its_own_run_is_red_at_once(bench: Bench, env: EnvironmentContext) -> None:
    saboteur = _Saboteur(backup_folder_of(env).path, flip_bit)
    assert order(bench.env(reporter=saboteur)).failure is not None
    assert colours(bench, env, env.today()) == (RED, RED)


def test_a_day_shows_its_newest_backup(bench: Bench, env: EnvironmentContext) -> None:
    """A bad one beside it that is older changes nothing."""
    assert order(env, file="first.dump", drilled=False).failure is None
    assert order(env, file="second.dump").failure is None
    flip_bit(backup_folder_of(env).file("first.dump"))
    assert order(env, "verify", file="first.dump").failure is not None
    assert colours(bench, env, env.today()) == (GREEN, GREEN)
    assert {status for _, status in drill_checks(bench, env.today())} == {"SUCCEEDED"}


def test_the_rolling_drill_makes_the_day_of_a_bad_backup_red(bench: Bench, env: EnvironmentContext) -> None:
    day = env.today() - timedelta(days=2)
    backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=2)), BackupRequest())
    assert order(env, day=day).failure is None
    flip_bit(the_dump(env))
    definitions = build_definitions(bench.settings(redrill_days=1), None, [Environment.DEV])
    with bench.instance() as opened:
        job = definitions.resolve_job_def("dev_redrill")
        assert not job.execute_in_process(instance=opened, raise_on_error=False).success
    assert colours(bench, env, day) == (RED, RED)


def overview(bench: Bench) -> dict[str, tuple[str | None, set[str | None]]]:
    """Of dump and drill: the run that the overview shows, and the days of the checks that it shows."""
    definitions = build_definitions(bench.settings())
    graph, found = definitions.resolve_asset_graph(), {}
    with bench.instance() as opened:
        for name in ASSETS:
            key = dg.AssetKey(["dev", name])
            checks = sorted(graph.get_check_keys_for_assets({key}))
            records = opened.event_log_storage.get_latest_asset_check_execution_by_key(checks)
            shown = page(opened, graph, key)
            found[name] = (shown.last_run, {record.partition for record in records.values()})
            assert len(records) == len(checks)
    return found


def test_a_refused_backfill_leaves_the_newest_day_on_the_overview(
    bench: Bench, env: EnvironmentContext
) -> None:
    today = order(env)
    for back in (2, 3):
        refused = order(env, day=env.today() - timedelta(days=back))
        assert refused.failure is not None
        assert colours(bench, env, env.today() - timedelta(days=back)) == (RED, RED)
    assert colours(bench, env, env.today()) == (GREEN, GREEN)
    shown = (today.run_id, {env.today().isoformat()})
    assert overview(bench) == {"dump": shown, "drill": shown}


def test_an_old_day_that_is_filled_does_not_hide_that_today_failed(
    bench: Bench, env: EnvironmentContext
) -> None:
    day = env.today() - timedelta(days=2)
    backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=2)), BackupRequest())
    failed = order(env, file="no name")
    assert failed.failure is not None
    assert order(env, day=day).failure is None
    assert colours(bench, env, day) == (GREEN, GREEN)
    assert colours(bench, env, env.today()) == (RED, RED)
    shown = (failed.run_id, {env.today().isoformat()})
    assert overview(bench) == {"dump": shown, "drill": shown}
