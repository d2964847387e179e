"""Schedules and the sensor behind them as Dagster evaluates them, under a clock that the test sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._utils.schedules import schedule_execution_time_iterator

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.schedule.nightly_plan import Task
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.runs.run_context import MISSED, NIGHT, TASK
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.defs.benches import Bench

MINUTE = timedelta(minutes=1)
NOON = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
"""Today: Dagster takes the days of its partitions, and the end of a run, from the real clock."""
TODAY = NOON.date()


@dataclass
class Machine:
    """The definitions of a bench at an instant, and what the daemon would do with them."""

    bench: Bench
    instance: dg.DagsterInstance
    now: datetime = NOON
    dev: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing = field(default_factory=lambda: Timing(retries=0))

    @cached_property
    def definitions(self) -> dg.Definitions:
        """As the daemon has loaded them."""
        settings = self.bench.settings(**self.dev)
        return build_definitions(settings, None, [Environment.DEV], self.timing, lambda: self.now)

    @property
    def repository(self) -> dg.RepositoryDefinition:
        return self.definitions.get_repository_def()

    def tick(self, at: datetime) -> dg.RunRequest | str:
        """What the schedule asks for at a tick, or why it does not."""
        context = dg.build_schedule_context(
            self.instance, scheduled_execution_time=at, repository_def=self.repository
        )
        return _told(self.repository.get_schedule_def("dev_daily").evaluate_tick(context))

    def look(self) -> dg.RunRequest | str:
        """What the sensor asks for, or why it does not."""
        context = dg.build_sensor_context(
            self.instance, repository_def=self.repository, sensor_name="dev_night"
        )
        return _told(self.repository.get_sensor_def("dev_night").evaluate_tick(context))

    def carry_out(self, request: dg.RunRequest) -> dg.DagsterRun:
        """The run that is asked for, carried out here and now."""
        job = self.definitions.resolve_job_def(request.job_name or "dev_backup")
        day = {"dagster/partition": request.partition_key} if request.partition_key else {}
        done = job.execute_in_process(
            instance=self.instance,
            run_config=dict(request.run_config or {}),
            tags={**request.tags, **day, "dagster/run_key": request.run_key or ""},
            raise_on_error=False,
        )
        found = self.instance.get_run_by_id(done.run_id)
        assert found is not None
        return found


def _told(data: Any) -> dg.RunRequest | str:
    if data.skip_message:
        return str(data.skip_message)
    [request] = data.run_requests
    assert isinstance(request, dg.RunRequest)
    return request


def asked(found: dg.RunRequest | str) -> dg.RunRequest:
    assert isinstance(found, dg.RunRequest), found
    return found


def at(hour: int, minute: int = 0, ago: int = 0) -> datetime:
    return NOON.replace(hour=hour, minute=minute) - timedelta(days=ago)


def afterwards() -> datetime:
    """Three minutes after a run that has ended now, by the real clock; after the night's begin, and today."""
    return min(max(clock.now() + 3 * MINUTE, at(2, 35)), at(23, 59))


@pytest.fixture
def machine(bench: Bench) -> Any:
    with bench.instance() as opened:
        yield Machine(bench, opened)


class TestRegistered:
    def test_is_only_what_shall_come_by_itself(self, bench: Bench) -> None:
        """dev has a database; the other environments' sample databases are not backed up by the schedule."""
        defs = build_definitions(bench.settings())
        assert {one.name for one in defs.schedules or ()} == {
            "dev_daily",
            "dev_audit_daily",
            "dagster_history_weekly",
        }
        assert {one.name for one in defs.sensors or ()} >= {"dev_night", "orphans"}
        assert not {"test_night", "prod_night"} & {one.name for one in defs.sensors or ()}
        off = build_definitions(bench.settings(scheduled=False))
        assert {one.name for one in off.schedules or ()} == {"dagster_history_weekly"}

    def test_runs_without_anybody_starting_it_and_shows_its_hour(self, bench: Bench) -> None:
        defs = build_definitions(bench.settings(schedule="04:45", time_zone="Europe/Vienna"))
        found = defs.get_repository_def()
        daily, night = found.get_schedule_def("dev_daily"), found.get_sensor_def("dev_night")
        assert daily.default_status is dg.DefaultScheduleStatus.RUNNING
        assert night.default_status is dg.DefaultSensorStatus.RUNNING
        assert (daily.cron_schedule, daily.execution_timezone) == ("45 4 * * *", "Europe/Vienna")

    def test_runs_have_an_end(self, bench: Bench) -> None:
        defs = build_definitions(bench.settings(backup_minutes=7, redrill_minutes=20))
        assert defs.resolve_job_def("dev_backup").tags["dagster/max_runtime"] == "420"
        assert defs.resolve_job_def("dev_redrill").tags["dagster/max_runtime"] == "1620"

    def test_no_rolling_drill_without_a_budget(self, bench: Bench) -> None:
        defs = build_definitions(bench.settings(redrill_minutes=0))
        jobs = defs.get_repository_def().get_sensor_def("dev_night").jobs
        assert {job.name for job in jobs} == {"dev_backup", "dev_rotate"}


class TestTheSchedule:
    def test_asks_for_its_day_with_all_that_the_run_needs(self, machine: Machine) -> None:
        machine.now = at(2, 30)
        request = asked(machine.tick(machine.now))
        assert request.partition_key == str(TODAY)
        assert request.tags[NIGHT] == f"dev {TODAY}T02:30:00+00:00"
        assert request.tags[TASK] == "backup"
        assert request.tags["dagster/priority"] == "10"
        assert MISSED not in request.tags
        assert request.run_config == {"ops": {"dev__dump": {"config": {"full_seal": True}}}}, "none this week"

    def test_leaves_a_tick_that_comes_late_to_the_sensor(self, machine: Machine) -> None:
        """The machine was suspended: Dagster evaluates this morning's tick, or that of an earlier day."""
        machine.now = at(9)
        assert "outside of the schedule's time" in str(machine.tick(at(2, 30)))
        assert "has passed" in str(machine.tick(at(2, 30, ago=1)))
        assert asked(machine.look()).partition_key == str(TODAY)

    @pytest.mark.parametrize(
        ("zone", "schedule", "day"),
        [
            ("America/New_York", "02:30", date(2025, 3, 9)),
            ("America/New_York", "01:30", date(2025, 11, 2)),
            ("America/Havana", "00:30", date(2025, 3, 9)),
            ("Australia/Lord_Howe", "02:15", date(2025, 10, 5)),
        ],
    )
    def test_and_the_sensor_together_ask_once_on_a_day_of_changed_clocks(
        self, machine: Machine, zone: str, schedule: str, day: date
    ) -> None:
        """Every tick that Dagster makes of it about that day, and the sensor before and after each."""
        machine.dev = {"time_zone": zone, "schedule": schedule, "redrill_minutes": 0}
        hour, minute = schedule.split(":")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
        cron = f"{int(minute)} {int(hour)} * * *"
        ticks = [
            tick.astimezone(UTC)
            for tick in islice(schedule_execution_time_iterator(start.timestamp(), cron, zone), 4)
        ]
        looks = [tick + shift * MINUTE for tick in ticks for shift in (-30, 10, 50, 70, 130)]
        days = list[str]()
        for instant in sorted([*ticks, *looks]):
            machine.now = instant
            found = machine.tick(instant) if instant in ticks else machine.look()
            if isinstance(found, dg.RunRequest):
                assert found.partition_key is not None
                days.append(found.partition_key)
                self._put_on_record(machine, found)
        assert days == sorted(set(days)), "no day twice"
        assert {(day + timedelta(days=shift)).isoformat() for shift in (-1, 0, 1)} <= set(days)

    @staticmethod
    def _put_on_record(machine: Machine, request: dg.RunRequest) -> None:
        """Requested and then canceled by a person."""
        job = machine.definitions.resolve_job_def("dev_backup")
        run = machine.instance.create_run_for_job(job, tags=dict(request.tags))
        machine.instance.report_run_canceled(run)


class TestANight:
    def test_after_a_sleep_has_one_backup_for_today_and_tells_the_days_that_were_missed(
        self, machine: Machine
    ) -> None:
        old = machine.bench.env(now=lambda: at(2, 30, ago=4))
        drill.drill(old, BackupName.of(backup.backup(old).dump.file))
        machine.now = at(9, 40)
        machine.dev = {"full_seal_on": f"{TODAY - timedelta(days=1):%A}".lower()}
        request = asked(machine.look())
        assert (request.job_name, request.partition_key) == ("dev_backup", str(TODAY))
        assert request.tags[MISSED] == " ".join(str(TODAY - timedelta(days=ago)) for ago in (3, 2, 1))
        assert request.run_config["ops"]["dev__dump"]["config"]["full_seal"], "yesterday was its day"
        run = machine.carry_out(request)
        assert run.status is dg.DagsterRunStatus.SUCCESS

        env = machine.bench.env()
        [today] = [one for one in catalog.entries(env) if one.day == machine.now.date()]
        assert today.proven
        assert machine.bench.metadata("dev/dump", machine.now.date())["missed_days"] == request.tags[MISSED]
        [told] = [
            one
            for one in journal_file.read_entries(env.ctx.settings.state_dir)
            if one["what"] == "missed days"
        ]
        assert told["days"] == request.tags[MISSED].split()

        machine.now += MINUTE
        for job in ("dev_rotate", "dev_redrill"):
            request = asked(machine.look())
            assert request.job_name == job
            assert machine.carry_out(request).status is dg.DagsterRunStatus.SUCCESS
            machine.now += MINUTE
        assert len(catalog.entries(env)) == 2, "four days are not old"
        assert "is done" in str(machine.look())
        machine.now = at(23, 59)
        assert "is done" in str(machine.look())

    def test_takes_up_what_a_killed_attempt_has_left_and_drills_that(self, machine: Machine) -> None:
        """The dump was committed; then the process died before it could report that."""
        machine.now = at(2, 30)
        request = asked(machine.tick(machine.now))
        job = machine.definitions.resolve_job_def("dev_backup")
        run = machine.instance.create_run_for_job(job, tags=dict(request.tags))
        machine.now = at(2, 31)
        made = backup.backup(machine.bench.env(now=lambda: machine.now))
        machine.instance.report_run_failed(run)
        machine.now = afterwards()
        request = asked(machine.look())
        assert request.run_key != f"backup {request.tags[NIGHT]} 1"
        assert machine.carry_out(request).status is dg.DagsterRunStatus.SUCCESS
        [entry] = catalog.entries(machine.bench.env())
        assert entry.manifest == made
        assert entry.proven

    def test_whose_backup_failed_of_what_does_not_pass_is_not_tried_again(self, machine: Machine) -> None:
        machine.dev = {"rules": [{"name": "broken", "sql": "SELECT 1", "expect": "2"}]}
        machine.now = at(9)
        run = machine.carry_out(asked(machine.look()))
        assert run.status is dg.DagsterRunStatus.FAILURE
        machine.now = at(20)
        assert asked(machine.look()).job_name == "dev_redrill", "the night goes on"

    def test_whose_backup_dagster_has_ended_is_tried_again(self, machine: Machine) -> None:
        """It took too long: Dagster records a failure, and the run then that it was canceled."""
        machine.now = at(2, 30)
        request = asked(machine.tick(machine.now))
        job = machine.definitions.resolve_job_def("dev_backup")
        run = machine.instance.create_run_for_job(job, tags=dict(request.tags))
        machine.instance.report_run_failed(run, "Exceeded maximum runtime of 1 seconds.")
        machine.instance.report_run_canceled(run)
        machine.now = afterwards()
        assert asked(machine.look()).run_key == f"backup {request.tags[NIGHT]} 2"

    def test_whose_schedule_is_stopped_in_the_page_has_no_backup(self, machine: Machine) -> None:
        machine.now = at(9)
        daily = machine.repository.get_schedule_def("dev_daily")
        from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ledgerflow_ops"), "__repository__")
        state = InstigatorState(
            origin.get_instigator_origin(daily.name),
            dg._core.definitions.run_request.InstigatorType.SCHEDULE,
            InstigatorStatus.STOPPED,
            ScheduleInstigatorData(daily.cron_schedule),
        )
        machine.instance.add_instigator_state(state)
        assert "stopped" in str(machine.look())

    def test_waits_for_a_backup_by_hand(self, machine: Machine) -> None:
        machine.now = at(9)
        job = machine.definitions.resolve_job_def("dev_backup")
        run = machine.instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(TODAY)}
        )
        assert "somebody else's" in str(machine.look())
        machine.instance.report_run_failed(run)
        assert asked(machine.look()).job_name == "dev_backup"

    def test_with_a_proven_backup_by_hand_needs_no_other(self, machine: Machine) -> None:
        machine.now = at(9)
        env = machine.bench.env(now=lambda: machine.now)
        made = backup.backup(env)
        assert asked(machine.look()).job_name == "dev_backup", "not proven yet"
        drill.drill(env, BackupName.of(made.dump.file))
        assert asked(machine.look()).job_name == "dev_rotate"

    def test_with_one_from_before_its_hour_still_needs_its_own(self, machine: Machine) -> None:
        early = machine.bench.env(now=lambda: at(1))
        drill.drill(early, BackupName.of(backup.backup(early).dump.file))
        machine.now = at(9)
        assert asked(machine.look()).job_name == "dev_backup"


def test_tasks_are_named_as_their_jobs_are() -> None:
    assert {str(task) for task in Task} == {"backup", "archive", "rotate", "redrill"}
