"""A backfill of 400 days does not start all runs at once: Dagster's queue limits them, by our settings."""

import logging
from collections.abc import Iterator
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from psycopg import sql

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops_tests.defs.benches import Bench

DEV, TEST, PROD = Environment


class Queue:
    """Runs that wait, and those that the daemon would start next."""

    def __init__(self, bench: Bench, instance: dg.DagsterInstance) -> None:
        self.bench, self.instance = bench, instance
        self.definitions = build_definitions(bench.settings())
        self.daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
        self.daemon._logger.setLevel(logging.ERROR)

    def put(self, environment: Environment, number: int = 1, job: str = "backup", **tags: str) -> list[str]:
        """Runs of an environment's job, as a schedule or a backfill puts them into the queue; their ids."""
        found = self.definitions.resolve_job_def(f"{environment}_{job}")
        tags = {name.replace("_", "/"): value for name, value in tags.items()}
        first = self.queued(found, tags)
        others = [str(uuid4()) for _ in range(number - 1)]
        self._like(first.run_id, others)
        return [first.run_id, *others]

    def _like(self, first: str, others: list[str]) -> None:
        """Copies of a run under other ids, in one statement each: Dagster takes its time with 400."""
        with self.bench.storage.connect() as connection:
            connection.execute("SET search_path TO public")
            names = "SELECT column_name FROM information_schema.columns WHERE table_name = 'runs'"
            columns = [
                name for (name,) in connection.execute(names) if name not in ("id", "run_id", "run_body")
            ]
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            connection.execute(
                sql.SQL(
                    "INSERT INTO runs (run_id, run_body, {0})"
                    " SELECT other, replace(run_body, %(first)s, other), {0} FROM runs,"
                    " unnest(%(others)s::text[]) WITH ORDINALITY AS o (other, at)"
                    " WHERE run_id = %(first)s ORDER BY at"
                ).format(listed),
                {"first": first, "others": others},
            )

    def queued(self, job: dg.JobDefinition, tags: dict[str, str] | None = None) -> dg.DagsterRun:
        """A run in the queue, as if it came from the location that the servers load."""
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ledgerflow_ops"), "__repository__")
        return self.instance.create_run_for_job(
            job,
            tags=tags,
            status=dg.DagsterRunStatus.QUEUED,
            remote_job_origin=origin.get_job_origin(job.name),
        )

    def next(self) -> list[str]:
        """The ids of the runs that would be started now."""
        found = self.daemon._get_runs_to_dequeue(self.instance, self.instance.get_concurrency_config(), None)
        return [run.run_id for run in found]

    def start(self) -> list[str]:
        """Those, started."""
        found = self.next()
        for run_id in found:
            run = self.instance.get_run_by_id(run_id)
            assert run is not None
            event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, run.job_name)
            self.instance.report_dagster_event(event, run_id)
        return found


@pytest.fixture
def queue(bench: Bench) -> Iterator[Queue]:
    with bench.instance() as opened:
        yield Queue(bench, opened)


def test_four_hundred_days_of_one_environment_go_one_by_one_and_hold_up_no_other(queue: Queue) -> None:
    days = queue.put(DEV, 400)
    assert queue.start() == days[:1]
    assert queue.start() == [], "the others wait"
    [prod], [test] = queue.put(PROD), queue.put(TEST)
    assert set(queue.start()) == {prod, test}, "at once, though 399 were there before them"
    assert queue.start() == []


def test_all_three_at_once_leave_room_for_what_has_no_pool(queue: Queue) -> None:
    for environment in Environment:
        queue.put(environment, 50)
    assert len(queue.start()) == 3
    catalog = queue.queued(queue.definitions.resolve_job_def("catalog_job"))
    assert queue.start() == [catalog.run_id]


def test_tonights_backup_goes_before_the_days_of_a_backfill(queue: Queue) -> None:
    queue.put(PROD, 30)
    [tonight] = queue.put(PROD, dagster_priority="10")
    assert queue.next() == [tonight]


def test_one_environment_does_one_thing_at_a_time_whatever_it_is(queue: Queue) -> None:
    backup, *_ = queue.put(DEV), queue.put(DEV, job="redrill"), queue.put(DEV, job="verify")
    assert queue.start() == backup
    assert queue.start() == []
