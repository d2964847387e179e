"""The real daemon and the real web page over real storage: a night, missed days, and kills at any moment."""

import random
import time
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.runs.run_context import NIGHT, TASK
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.daemons import Servers, servers
from ledgerflow_ops_tests.fakes import sandboxes

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
AGAIN = """
mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""


@pytest.fixture
def second(embedded: EmbeddedPostgres) -> Iterator[Database]:
    with sandboxes.sample_copy(embedded) as database:
        yield database


def settings(dev: Database, dev_at: str, test: Database | None = None) -> str:
    """dev comes by itself; test has a database and does not."""
    text = f'[environments.dev]\ndatabase_url = "{builders.database_url(dev)}"\nschedule = {dev_at}\n'
    if test:
        text += f'[environments.test]\ndatabase_url = "{builders.database_url(test)}"\nscheduled = false\n'
    return text


def night_runs(instance: dg.DagsterInstance, task: str) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs(dg.RunsFilter(tags={TASK: task})) if NIGHT in run.tags]


def succeeded(instance: dg.DagsterInstance, task: str) -> list[dg.DagsterRun]:
    return [run for run in night_runs(instance, task) if run.status is dg.DagsterRunStatus.SUCCESS]


def launch_backfill(found: Servers, environment: Environment, days: list[date]) -> str:
    """As the page's button does it: all assets of the chain, a run for each day."""
    keys = [{"path": [str(environment), name]} for name in ("dump", "drill")]
    answer = found.ask(
        BACKFILL, params={"assetSelection": keys, "partitionNames": [day.isoformat() for day in days]}
    )["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def of_backfill(instance: dg.DagsterInstance, ident: str) -> dict[str, dg.DagsterRun]:
    """The runs of a backfill by their days."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": ident}))
    return {run.tags["dagster/partition"]: run for run in runs}


def test_a_schedule_fires_while_another_environment_has_missed_days_backfilled(
    bench: Bench, second: Database
) -> None:
    """A backfill of two days of test: the folder has a backup of one, and nothing of the other."""
    assert bench.database is not None
    now = clock.now()
    due = (now + timedelta(seconds=105)).replace(second=0, microsecond=0)
    if due.date() != now.date():
        pytest.skip("a minute before midnight the night's day is the next one")
    other = Bench(bench.root, bench.storage, second)
    test = other.env(now=lambda: clock.now() - timedelta(days=1))
    past = EnvironmentContext(test.ctx, Environment.DEV)
    made = backup.backup(_as_test(past, second))
    there, gone = made.backup_day, made.backup_day - timedelta(days=1)
    text = settings(bench.database, f"{due:%H:%M:%S}", second)
    with servers(bench, text, QUICK_GRACE="60") as found, bench.instance() as opened:
        found.daemon()
        found.webserver()
        ident = launch_backfill(found, Environment.TEST, [gone, there])
        runs = found.wait_for(lambda: _all_ended(of_backfill(opened, ident), 2), "the backfill is done")
        assert runs[there.isoformat()].status is dg.DagsterRunStatus.SUCCESS
        assert runs[gone.isoformat()].status is dg.DagsterRunStatus.FAILURE
        assert _steps(opened, runs[gone.isoformat()].run_id, dg.DagsterEventType.STEP_UP_FOR_RETRY) == 0
        assert clock.now() < due + timedelta(seconds=60)

        [tonight] = found.wait_for(lambda: succeeded(opened, "backup"), "the schedule's backup is made")
        assert tonight.tags["dagster/schedule_name"] == "dev_daily"
        found.wait_for(lambda: succeeded(opened, "rotate"), "the rotation after it")
        found.wait_for(lambda: succeeded(opened, "redrill"), "the rolling drill after that")
        for task in ("backup", "rotate", "redrill"):
            assert len(night_runs(opened, task)) == 1
        [entry] = catalog.entries(bench.env())
        assert entry.proven

        again = found.ask(
            AGAIN, params={"parentRunId": runs[gone.isoformat()].run_id, "strategy": "FROM_FAILURE"}
        )["launchRunReexecution"]
        assert again["__typename"] == "LaunchRunSuccess", again
        repeated = again["run"]["runId"]
        found.wait_for(lambda: bench.run(repeated).is_finished, "the run from failure is refused again")
        assert bench.run(repeated).status is dg.DagsterRunStatus.FAILURE
    assert len(catalog.entries(_as_test(test, second))) == 1, "nothing was filed under the day that is gone"


def _as_test(env: EnvironmentContext, database: Database) -> EnvironmentContext:
    """The test environment of the same folders."""
    plain = builders.settings(env.ctx.settings.state_dir.parent, database)
    environments = {Environment.TEST: plain.environments[Environment.DEV]}
    told = type(plain)(backup_root=plain.backup_root, state_dir=plain.state_dir, environments=environments)
    return EnvironmentContext(
        type(env.ctx)(told, env.ctx.reporter, env.ctx.clock, env.ctx.run), Environment.TEST
    )


def _all_ended(runs: dict[str, dg.DagsterRun], number: int) -> dict[str, dg.DagsterRun] | None:
    return runs if len(runs) == number and all(run.is_finished for run in runs.values()) else None


def _steps(opened: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> int:
    return len(opened.get_records_for_run(run_id, of_type=kind).records)


def test_killed_at_any_moment_it_makes_nothing_twice_and_loses_nothing(bench: Bench) -> None:
    """The backup was due at midnight, so it is requested at once; then the daemon is killed repeatedly."""
    assert bench.database is not None
    with (
        servers(bench, settings(bench.database, "00:00:00"), QUICK_GRACE="0") as found,
        bench.instance() as opened,
    ):
        begun, luck = clock.now(), random.Random(7)
        found.daemon()
        found.wait_for(lambda: night_runs(opened, "backup"), "the backup is asked for")
        time.sleep(luck.uniform(0, 1))
        found.kill("daemon", family=False)
        found.daemon()
        found.wait_for(lambda: _begun(opened), "it is at work, or done by what outlived the first kill")
        time.sleep(luck.uniform(0, 1))
        found.kill("daemon", family=True)  # with all that it has started, as when the power fails
        killed = len(succeeded(opened, "backup"))
        found.daemon()
        found.wait_for(lambda: succeeded(opened, "backup"), "the backup is made")
        found.wait_for(lambda: _all_done(opened), "the night is done, and no run is left without a process")
        print(f"\n{len(opened.get_runs())} runs in {clock.now() - begun}")
        assert len(night_runs(opened, "backup")) >= 1 + (not killed), "another for the one that died at work"
    [entry] = catalog.entries(bench.env())
    assert entry.proven
    assert not list(backup_folder_of(bench.env()).path.glob("*.partial"))
    with bench.instance() as opened:
        assert len(succeeded(opened, "backup")) == 1
        for task in ("rotate", "redrill"):
            assert len(night_runs(opened, task)) == 1


def _begun(opened: dg.DagsterInstance) -> bool:
    runs = night_runs(opened, "backup")
    return any(run.status is dg.DagsterRunStatus.STARTED or run.is_finished for run in runs)


def _all_done(opened: dg.DagsterInstance) -> bool:
    asked = all(night_runs(opened, task) for task in ("rotate", "redrill"))
    return asked and all(run.is_finished for run in opened.get_runs())
