"""Dagster's old history is removed, and the pages of the assets stay the same."""

from datetime import timedelta
from typing import Any, LiteralString

import dagster as dg
import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.jobs.history_cleanup import clean_up_history, history_job
from ledgerflow_ops.defs.names import HISTORY_JOB
from ledgerflow_ops.defs.storage import LedgerEventLog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.pages import Page, page
from ledgerflow_ops_tests.defs.test_runs import order


def later(bench: Bench, days: float = 100, **settings: Any) -> OperationContext:
    """The context so many days from now; no backup has been made since."""
    return bench.env(now=lambda: clock.now() + timedelta(days=days), **settings).ctx


def pages(bench: Bench, opened: DagsterInstance) -> dict[AssetKey, Page]:
    graph = build_definitions(bench.settings()).resolve_asset_graph()
    return {key: page(opened, graph, key) for key in opened.all_asset_keys()}


def shown(found: Page) -> tuple[object, ...]:
    """All of a page but the list of what was ever materialized."""
    return found.statuses, found.newest, found.checks, found.verdicts, found.latest, found.last_run


def noted(opened: DagsterInstance, asset: str) -> str:
    """A run that notes something of an asset, as a restore and a recovery do; its id."""

    @dg.op
    def note(context: dg.OpExecutionContext) -> None:
        context.log_event(dg.AssetMaterialization(["dev", asset]))

    job = dg.GraphDefinition(asset, node_defs=[note]).to_job()
    return job.execute_in_process(instance=opened).run_id


@pytest.fixture
def past(bench: Bench, env: EnvironmentContext) -> set[str]:
    """Runs of every kind; those that the pages do not need any more."""
    backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=1)))
    yesterday, missed = (env.today() - timedelta(days=ago) for ago in (1, 2))
    needless = {order(env, day=missed).run_id, order(env, drilled=False).run_id}
    assert order(env, day=missed).failure is not None
    # Of yesterday the dump is needed from the first run alone, and its verdicts from later ones.
    for job in ("backup", "verify", "drill"):
        assert order(env, job, yesterday).failure is None
    needless.add(order(env).run_id)
    assert order(env).failure is None
    needless.add(order(env, "verify").run_id)
    assert order(env, "verify").failure is None
    with bench.instance() as opened:
        needless.add(noted(opened, "incident"))
        needless.add(noted(opened, "database"))
        noted(opened, "incident")
        noted(opened, "database")
        catalog = build_definitions(bench.settings()).resolve_job_def("catalog_job")
        needless.add(catalog.execute_in_process(instance=opened).run_id)
        catalog.execute_in_process(instance=opened)
    return needless


def runs_in(bench: Bench, table: LiteralString) -> set[str]:
    """The runs that a table has rows of."""
    with bench.storage.connect() as connection:
        return {str(run) for (run,) in connection.execute(f"SELECT DISTINCT run_id FROM public.{table}")}


def test_what_the_pages_show_stays_and_all_else_goes(
    bench: Bench, env: EnvironmentContext, past: set[str]
) -> None:
    with bench.instance() as opened:
        before, runs = pages(bench, opened), opened.get_run_ids()
        assert {key.to_user_string() for key in before} == {
            "catalog", "dev/database", "dev/drill", "dev/dump", "dev/incident"
        }  # fmt: skip

        # Nothing that is younger than the history.
        for days in (0, 89):
            assert clean_up_history(later(bench, days), opened).remove == ()
        assert opened.get_run_ids() == runs

        # A little at a time, the oldest first.
        oldest = [run for run in runs[::-1] if run in past]
        first = clean_up_history(later(bench), opened, limit=2)
        assert (list(first.remove), first.waiting) == (oldest[:2], len(oldest) - 2)
        # A crash between a run's events and the run itself: the next time finds it.
        assert isinstance(opened.event_log_storage, LedgerEventLog)
        opened.event_log_storage.delete_checks_and_events(oldest[2:3])
        second = clean_up_history(later(bench), opened)
        assert (list(second.remove), second.waiting) == (oldest[2:], 0)

        assert opened.get_run_ids() == [run for run in runs if run not in past]
        after = pages(bench, opened)
        assert {key: shown(found) for key, found in after.items()} == {
            key: shown(found) for key, found in before.items()
        }
        assert all(len(after[key].history) < len(before[key].history) for key in before)
        for table in ("runs", "run_tags", "event_logs", "asset_check_executions"):
            assert not past & runs_in(bench, table), table

        # Again, and by its own job: there is nothing more to do, and it says so.
        job = history_job(later(bench))
        assert job.name == HISTORY_JOB
        again = job.execute_in_process(instance=opened)
        assert again.success
        assert pages(bench, opened) == after
    [told] = [
        one for one in journal_file.read_entries(bench.settings().state_dir) if one["what"] == "history"
    ]
    assert {name: told[name] for name in ("removed", "closed", "waiting", "run_id")} == {
        "removed": 0, "closed": 0, "waiting": 0, "run_id": again.run_id
    }  # fmt: skip


def test_a_day_that_is_wiped_needs_its_runs_no_longer(bench: Bench, env: EnvironmentContext) -> None:
    backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=1)))
    yesterday = env.today() - timedelta(days=1)
    first = order(env, day=yesterday).run_id
    second = order(env).run_id
    with bench.instance() as opened:
        assert clean_up_history(later(bench), opened).remove == ()
        for asset in ("dump", "drill"):
            opened.wipe_asset_partitions(AssetKey(["dev", asset]), [yesterday.isoformat()])
        assert clean_up_history(later(bench), opened).remove == (first,)
        assert opened.get_run_ids() == [second]


def test_days_before_the_window_need_no_runs_unless_the_backups_are_away(
    bench: Bench, env: EnvironmentContext
) -> None:
    """A day that failed and was never backed up is shown until it leaves the window."""
    failed = order(env, day=env.today() - timedelta(days=3)).run_id
    order(env)
    with bench.instance() as opened:
        assert clean_up_history(later(bench, retention_days=3), opened).remove == ()
        away = backup_folder_of(env).path.rename(backup_folder_of(env).path.with_name("away"))
        assert clean_up_history(later(bench, retention_days=2), opened).remove == ()
        away.rename(backup_folder_of(env).path)
        assert clean_up_history(later(bench, retention_days=2), opened).remove == (failed,)


def test_runs_that_nobody_ended_are_ended_on_record(bench: Bench, env: EnvironmentContext) -> None:
    with bench.instance() as opened:
        job = build_definitions(bench.settings()).resolve_job_def("dev_rollback")
        named = {"ops": {"dev_rollback_op": {"config": {"environment": "dev"}}}}
        left = opened.create_run_for_job(job, run_config=named, status=DagsterRunStatus.STARTED)
        assert clean_up_history(env.ctx, opened).close == ()
        assert clean_up_history(later(bench), opened).close == (left.run_id,)
        ended = opened.get_run_by_id(left.run_id)
        assert ended is not None
        assert ended.status is DagsterRunStatus.CANCELED
        assert clean_up_history(later(bench), opened).remove == (left.run_id,)


def test_old_ticks_go_but_for_the_newest(bench: Bench, env: EnvironmentContext) -> None:
    location = RegisteredCodeLocationOrigin("ledgerflow_ops")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "dev_schedule")
    with bench.instance() as opened:
        data = ScheduleInstigatorData("30 2 * * *")
        state = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
        opened.add_instigator_state(state)
        now = clock.now().timestamp()
        for ago in (5, 3, 1):
            tick = (now - ago * 86_400, state.instigator_origin_id, state.selector_id)
            opened.create_tick(
                TickData(
                    instigator_origin_id=tick[1],
                    instigator_name="dev_schedule",
                    instigator_type=InstigatorType.SCHEDULE,
                    status=TickStatus.SUCCESS,
                    timestamp=tick[0],
                    selector_id=tick[2],
                    run_ids=[],
                )
            )

        def ticks() -> list[int]:
            found = opened.get_ticks(state.instigator_origin_id, state.selector_id)
            return [round((now - tick.timestamp) / 86_400) for tick in found]

        clean_up_history(env.ctx, opened)
        assert ticks() == [1, 3, 5]
        clean_up_history(later(bench, 86.5), opened)
        assert ticks() == [1, 3]
        clean_up_history(later(bench), opened)
        assert ticks() == [1]
