"""Sensors: what they report of real runs in a real storage, and that each problem is reported once."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG, WILL_RETRY_TAG

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.naming import DUMP, BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.finished_run import Failure
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.names import asset_key
from ledgerflow_ops.defs.runs import run_records
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.defs.timing import Timing
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.monitoring import monitor
from ledgerflow_ops.operations.retention import quarantine
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import sandboxes, sinks
from ledgerflow_ops_tests.fakes.opened import opened
from ledgerflow_ops_tests.fakes.sinks import Web


@dataclass
class Daemon:
    """What the daemon does with a sensor: tick after tick, with the cursor it left."""

    bench: Bench
    web: Web
    dev: dict[str, Any] = field(default_factory=dict)
    cursors: dict[str, str | None] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    """The paths that the last tick has opened."""
    requested: list[dg.RunRequest] = field(default_factory=list)
    """The runs that the last tick has requested."""
    listed: dict[str, Sequence[str]] = field(default_factory=dict)
    """The backups that each environment's launchpad offers after the last tick."""

    @property
    def asked(self) -> dict[str, Any]:
        channel = {"name": "web", "url": self.web.url}
        return {"alerts": {"channels": [channel], "settle_minutes": 0}, **self.dev}

    @property
    def ctx(self) -> OperationContext:
        return self.bench.env(**self.asked).ctx

    def tick(self, name: str = "runs_watch") -> str:
        """One evaluation of a sensor, as the project defines it; what it says."""
        definitions = build_definitions(self.ctx.settings)
        with self.bench.instance() as instance:
            context = dg.build_sensor_context(instance, self.cursors.get(name), definitions=definitions)
            with opened() as self.opened:
                done = definitions.get_repository_def().get_sensor_def(name).evaluate_tick(context)
            for event in done.asset_events:
                instance.report_runless_asset_event(event)
            for request in done.dynamic_partitions_requests or ():
                name_of_keys, keys = request.partitions_def_name, list(request.partition_keys)
                if isinstance(request, dg.AddDynamicPartitionsRequest):
                    instance.add_dynamic_partitions(name_of_keys, keys)
                for key in keys if isinstance(request, dg.DeleteDynamicPartitionsRequest) else ():
                    instance.delete_dynamic_partition(name_of_keys, key)
            self.listed = {
                str(environment): instance.get_dynamic_partitions(f"{environment}_backups")
                for environment in Environment
            }
        self.cursors[name] = done.cursor
        self.requested = list(done.run_requests or ())
        return done.skip_message or ""

    def job(self, name: str, day: str, expected: bool = True, **tags: str) -> dg.ExecuteInProcessResult:
        """A run as the daemon launches it: not from a terminal."""
        with self.bench.instance() as instance:
            found = build_definitions(self.ctx.settings, timing=Timing(retries=0)).resolve_job_def(name)
            done = found.execute_in_process(
                instance=instance, tags={"dagster/partition": day, **tags}, raise_on_error=False
            )
        assert done.success is expected
        return done

    @property
    def open(self) -> list[tuple[str, str, str]]:
        """What is open: source, kind, subject."""
        found = alerts.open_alerts(self.ctx)
        return [(one.source, one.finding.kind, one.finding.subject) for one in found]


@pytest.fixture
def daemon(bench: Bench) -> Iterator[Daemon]:
    with sinks.web() as web:
        yield Daemon(bench, web)


@pytest.fixture
def today(daemon: Daemon) -> str:
    return daemon.bench.env().today().isoformat()


@contextmanager
def dead_server(daemon: Daemon) -> Iterator[None]:
    """While it lasts, nobody listens where dev's database is."""
    alive = daemon.bench.database
    assert alive
    nowhere = replace(alive, parameters={**alive.parameters, "port": "1"})
    daemon.bench = Bench(daemon.bench.root, daemon.bench.storage, nowhere)
    yield
    daemon.bench = Bench(daemon.bench.root, daemon.bench.storage, alive)


class TestRuns:
    def test_a_failed_run_is_reported_once_and_resolved_by_the_next(self, daemon: Daemon, today: str) -> None:
        assert daemon.tick() == "0 runs ended since. Nothing is wrong."
        with dead_server(daemon):
            failed = daemon.job("dev_backup", today, expected=False)
            said = daemon.tick()
        assert said.startswith("1 run ended since. 1 finding: critical: The run dev backup of")
        assert daemon.open == [("run:dev_backup", "run failed", f"backup {today}")]
        [message] = daemon.web.alerts
        assert "The server 127.0.0.1:1 cannot be reached" not in message["title"], (
            "one finding speaks for itself"
        )
        assert "Connection refused" in message["message"]
        assert "make doctor tries every connection" in message["message"]
        assert f"Run: {failed.run_id}" in message["message"]
        assert daemon.tick().startswith("0 runs ended since. 1 finding")
        assert len(daemon.web.alerts) == 1
        daemon.job("dev_backup", today)
        assert daemon.tick() == "1 run ended since. Nothing is wrong."
        assert daemon.open == []
        assert daemon.web.titles[1].startswith(f"dev: RESOLVED: The run dev backup of {today} failed: ")
        noted = journal_file.read_entries(daemon.ctx.settings.state_dir)
        assert {one["who"] for one in noted if one["what"] == "alert"} == {"runs_watch"}

    def test_a_failed_check_in_a_run_that_ended_well_is_reported_once(
        self, daemon: Daemon, today: str
    ) -> None:
        daemon.job("dev_backup", today)
        assert daemon.tick() == "1 run ended since. Nothing is wrong."
        root = daemon.ctx.settings.backup_root
        root.chmod(0o777)
        checked = daemon.job("dev_verify", today)
        daemon.tick()
        daemon.tick()
        [alert] = alerts.open_alerts(daemon.ctx)
        assert (alert.source, alert.finding.kind) == ("run:dev_verify", "check failed")
        assert (alert.finding.level, alert.finding.run_id) == (Level.WARNING, checked.run_id)
        assert "chmod" in alert.finding.hint
        assert len(daemon.web.alerts) == 1
        root.chmod(0o700)
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.tick()
        assert ("run:dev_verify", "check failed", f"verify {today} permissions") in daemon.open
        daemon.job("dev_verify", today)
        daemon.tick()
        assert [kind for _, kind, _ in daemon.open] == ["run failed"]
        assert len([title for title in daemon.web.titles if "RESOLVED" in title]) == 1

    def test_a_backup_that_is_bad_is_reported_by_its_check(self, daemon: Daemon, today: str) -> None:
        daemon.job("dev_backup", today)
        [dump] = daemon.bench.env().store.names(DUMP)
        flip_bit(backup_folder_of(daemon.bench.env()).file(dump))
        daemon.job("dev_verify", today, expected=False)
        daemon.tick()
        assert ("run:dev_verify", "check failed", f"verify {today} integrity") in daemon.open
        assert len(daemon.web.alerts) == 1, "all checks of a run are one message"

    def test_a_flipped_byte_is_one_message_until_it_is_aside_and_a_new_backup_is_proven(
        self, daemon: Daemon, today: str
    ) -> None:
        env = daemon.bench.env(**daemon.asked)
        daemon.job("dev_backup", today)
        daemon.tick("dev_watch")
        [dump] = env.store.names(DUMP)
        flip_bit(backup_folder_of(env).file(dump))
        daemon.tick("dev_watch")  # it was changed from outside
        for _ in range(2):
            daemon.job("dev_verify", today, expected=False)
            daemon.tick()
            daemon.tick("dev_watch")
        assert {kind for _, kind, _ in daemon.open} == {"changed", "check failed", "bad"}
        assert len(daemon.web.alerts) == 1
        hints = {str(one.finding.hint) for one in alerts.open_alerts(daemon.ctx)}
        assert any(f"LEDGER_ENV=dev make quarantine FILE={dump}" in hint for hint in hints)

        quarantine.quarantine(env, dump, "a flipped byte", "")
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.tick()
        daemon.tick("dev_watch")
        assert not [title for title in daemon.web.titles if "RESOLVED" in title], "nothing new is proven"
        daemon.job("dev_backup", today)
        for name in ("runs_watch", "dev_watch") * 2:
            daemon.tick(name)
        assert daemon.open == []
        over = [title for title in daemon.web.titles if "RESOLVED" in title and dump in title]
        assert len(over) == 1

    def test_runs_of_a_terminal_are_seen_as_well(self, daemon: Daemon) -> None:
        env = daemon.bench.env(**daemon.asked)
        with dead_server(daemon):
            broken = daemon.bench.env(**daemon.asked)
            outcome = run_job(broken, BackupRequest(), broken.today())
        assert isinstance(outcome.failure, Failure)
        daemon.tick()
        assert [kind for _, kind, _ in daemon.open] == ["run failed"]
        run_job(env, BackupRequest(), env.today(), assets=["dump"])
        daemon.tick()
        assert daemon.open == []

    def test_what_a_person_was_refused_at_a_terminal_is_not(self, daemon: Daemon) -> None:
        env = daemon.bench.env(**daemon.asked)
        refused = run_job(env, BackupRequest(file="no name"), env.today())
        assert refused.failure
        assert refused.failure.exit_code in (2, 3)
        assert daemon.tick() == "1 run ended since. Nothing is wrong."

    def test_what_the_page_re_executes_is_no_longer_a_persons(self, daemon: Daemon, today: str) -> None:
        """It copies the tags of the run at the terminal. Nobody waits for it, so its refusal is an alert."""
        tags = {"ledgerflow/trigger": "terminal", "ledgerflow/who": "somebody"}
        copied = {**tags, "dagster/parent_run_id": "11111111-1111-1111-1111-111111111111"}
        yesterday = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
        daemon.job("dev_backup", yesterday, False, **tags)
        daemon.tick()
        assert daemon.open == []
        daemon.job("dev_backup", yesterday, False, **copied)
        daemon.tick()
        assert [kind for _, kind, _ in daemon.open] == ["run failed"]
        daemon.job("dev_backup", today, True, **copied)
        daemon.job("dev_backup", today, True, **tags)
        noted = journal_file.read_entries(daemon.ctx.settings.state_dir)
        assert [entry["who"] for entry in noted if entry["what"] == "backup"] == ["dagster", "somebody"]

    def test_a_backfills_runs_count_like_those_of_the_job(self, daemon: Daemon, today: str) -> None:
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.tick()
        assert len(daemon.open) == 1
        env = daemon.bench.env()
        with daemon.bench.instance() as instance:
            assets = [asset_key(env, "dump"), asset_key(env, "drill")]
            everything = build_definitions(daemon.ctx.settings).resolve_implicit_global_asset_job_def()
            tags = {"dagster/partition": today, "dagster/backfill": "abc"}
            done = everything.execute_in_process(instance=instance, asset_selection=assets, tags=tags)
        assert done.success
        assert daemon.bench.run(done.run_id).job_name == "__ASSET_JOB"
        daemon.tick()
        assert daemon.open == []

    def test_an_attempt_that_is_tried_again_is_not_reported(self, daemon: Daemon, today: str) -> None:
        with dead_server(daemon):
            failed = daemon.job("dev_backup", today, expected=False)
        with daemon.bench.instance() as instance:
            instance.add_run_tags(failed.run_id, {WILL_RETRY_TAG: "true"})
        assert daemon.tick() == "0 runs ended since. Nothing is wrong."

    def test_a_run_that_took_too_long_is_reported_in_dagsters_words(self, daemon: Daemon, today: str) -> None:
        with daemon.bench.instance() as instance:
            job = build_definitions(daemon.ctx.settings).resolve_job_def("dev_backup")
            tags = {"dagster/partition": today, MAX_RUNTIME_SECONDS_TAG: "1"}
            started = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
            instance.report_run_canceling(started)
            instance.report_run_failed(started, "Exceeded maximum runtime of 1 seconds.")
            instance.report_run_canceled(started)  # as the run may note itself, when it has cleaned up
            stopped = instance.create_run_for_job(
                build_definitions(daemon.ctx.settings).resolve_job_def("prod_backup"),
                tags={"dagster/partition": today},
                status=dg.DagsterRunStatus.STARTED,
            )
            instance.report_run_canceled(stopped)
        daemon.tick()
        late, canceled = alerts.open_alerts(daemon.ctx)
        assert late.finding.message.endswith("failed: Exceeded maximum runtime of 1 seconds.")
        assert (late.finding.level, str(late.finding.hint)) == (Level.CRITICAL, "LEDGER_ENV=dev make backup")
        assert (canceled.finding.kind, canceled.finding.environment) == ("run canceled", Environment.PROD)

    def test_a_check_that_was_not_carried_out_is_reported(self, daemon: Daemon, today: str) -> None:
        dump = dg.AssetKey(["dev", "dump"])

        @dg.multi_asset_check(specs=[dg.AssetCheckSpec("sealed", asset=dump)], can_subset=True)
        def forgetful() -> Iterator[dg.AssetCheckResult]:
            yield from ()

        verify = dg.define_asset_job("dev_verify", dg.AssetSelection.checks(forgetful))
        lazy = dg.Definitions(assets=[dg.AssetSpec(dump)], asset_checks=[forgetful], jobs=[verify])
        with daemon.bench.instance() as instance:
            done = lazy.resolve_job_def("dev_verify").execute_in_process(
                instance=instance, tags={"dagster/partition": today}, raise_on_error=False
            )
        daemon.tick()
        [(source, kind, subject)] = daemon.open
        assert source == "run:dev_verify"
        assert (kind, subject) == (
            ("check missing", f"verify {today} sealed") if done.success else ("run failed", f"verify {today}")
        )

    def test_of_a_check_that_was_asked_again_the_last_verdict_counts(self, daemon: Daemon) -> None:
        dump = dg.AssetKey(["dev", "dump"])

        @dg.multi_asset_check(
            name="unsteady",
            specs=[dg.AssetCheckSpec("sealed", asset=dump)],
        )
        def unsteady(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
            again = context.op_execution_context.retry_number > 0
            yield dg.AssetCheckResult(passed=again, check_name="sealed", asset_key=dump)
            if not again:
                raise dg.RetryRequested(max_retries=1)

        verify = dg.define_asset_job("dev_verify", dg.AssetSelection.checks(unsteady))
        definitions = dg.Definitions(assets=[dg.AssetSpec(dump)], asset_checks=[unsteady], jobs=[verify])
        with daemon.bench.instance() as instance:
            done = definitions.resolve_job_def("dev_verify").execute_in_process(instance=instance)
        assert done.success
        assert daemon.tick() == "1 run ended since. Nothing is wrong."

    def test_several_in_one_tick_are_taken_in_their_order(self, daemon: Daemon, today: str) -> None:
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.job("dev_backup", today)
        assert daemon.tick() == "2 runs ended since. Nothing is wrong."
        assert daemon.web.alerts == []

    def test_none_is_lost_when_few_are_read_at_once_and_none_comes_twice(
        self, daemon: Daemon, today: str
    ) -> None:
        with daemon.bench.instance() as instance:
            job = build_definitions(daemon.ctx.settings).resolve_job_def("dev_backup")
            ids = []
            for _ in range(7):
                one = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
                instance.report_run_failed(one)
                ids.append(one.run_id)
            cursor, seen = run_records.Cursor.parse(None, clock.now()), []
            for _ in range(5):
                found, cursor = run_records.ended_since(instance, cursor, limit=2)
                seen += [one.run_id for one in found]
                cursor = run_records.Cursor.parse(str(cursor), clock.now())
        assert seen == ids

    def test_a_cursor_of_a_clock_that_was_ahead_begins_anew(self) -> None:
        now = clock.now()
        ahead = run_records.Cursor(now + timedelta(days=400), frozenset({"x"}))
        assert run_records.Cursor.parse(str(ahead), now).until < now
        for text in (None, "", "x", "{}", '{"until": 3}', "[]"):
            assert run_records.Cursor.parse(text, now).seen == frozenset()

    def test_a_tick_that_did_not_come_to_its_end_tells_nothing_twice(
        self, daemon: Daemon, today: str
    ) -> None:
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.tick()
        daemon.cursors.clear()  # killed before the daemon kept the cursor
        daemon.tick()
        assert len(daemon.web.alerts) == 1
        assert len(daemon.open) == 1

    def test_what_was_wrong_is_reported_again_when_the_record_of_alerts_is_lost(
        self, daemon: Daemon, today: str
    ) -> None:
        """Nothing else reports it, and the cursor is already past it."""
        with dead_server(daemon):
            daemon.job("dev_backup", today, expected=False)
        daemon.tick()
        [known] = daemon.open
        assert daemon.tick().startswith("0 runs ended since.")
        (daemon.ctx.settings.state_dir / "alerts.json").write_text("{")
        assert daemon.tick().startswith("1 run ended since.")
        assert known in daemon.open
        assert daemon.tick().startswith("0 runs ended since.")


class TestWatch:
    def test_says_what_it_saw_and_tells_it_once(self, daemon: Daemon) -> None:
        assert daemon.tick("dev_watch") == "Nothing is wrong.", "no backup has been due yet"
        (daemon.ctx.settings.state_dir / "watch" / "dev.since.json").unlink()  # as before there was one
        said = daemon.tick("dev_watch")
        assert re.match(r"\d+ findings?: critical: ", said)
        assert {source for source, _, _ in daemon.open} == {"watch:dev"}
        told = len(daemon.web.alerts)
        assert told > 0
        assert daemon.tick("dev_watch") == said
        assert len(daemon.web.alerts) == told

    def test_freshness_is_that_of_what_is_proven_and_goes_on_record_when_it_changes(
        self, daemon: Daemon, today: str
    ) -> None:
        def fresh() -> list[tuple[bool, str]]:
            found = daemon.bench.verdicts("dev/database")
            return [(one.passed, one.description) for one in found if one.check == "fresh"]

        for _ in range(3):
            daemon.tick("dev_watch")
        assert fresh() == [(False, "NOTHING IS PROVEN.")]
        env = daemon.bench.env(**daemon.asked)
        made = backup.backup(env, BackupRequest())  # a run that ended well, and proves nothing
        daemon.tick("dev_watch")
        assert len(fresh()) == 1
        drill.drill(env, BackupName.of(made.dump.file))
        for _ in range(2):
            daemon.tick("dev_watch")
        assert [passed for passed, _ in fresh()] == [True, False]
        assert made.dump.file in fresh()[0][1]

    def test_reads_the_index_of_its_backups_once(self, daemon: Daemon) -> None:
        env = daemon.bench.env(**daemon.asked)
        backup.backup(env, BackupRequest())
        indexes = env.ctx.settings.state_dir / "index"

        def indexed() -> bool:
            daemon.tick("dev_watch")  # the first one sends a message, which says what is proven
            return bool([*indexes.glob("dev-*")])

        assert sandboxes.wait_until(indexed), "the backup was never indexed, not even when it was old enough"
        daemon.tick("dev_watch")
        assert len([path for path in daemon.opened if "/index/dev-" in path]) == 1

    def requested(self, daemon: Daemon) -> list[tuple[str | None, str | None]]:
        """The job and the day of each run that a tick asks for."""
        daemon.tick("dev_watch")
        return [(run.job_name, run.tags.get("dagster/partition")) for run in daemon.requested]

    def test_has_the_catalog_read_again_when_a_backup_comes_or_is_examined(self, daemon: Daemon) -> None:
        """Whoever does that: the folder is what it looks at."""
        env = daemon.bench.env(**daemon.asked)
        assert self.requested(daemon) == []
        made = backup.backup(env, BackupRequest())
        assert self.requested(daemon) == [("catalog_job", None)]
        assert self.requested(daemon) == []
        drill.drill(env, BackupName.of(made.dump.file))
        assert self.requested(daemon) == [("catalog_job", None)]
        assert self.requested(daemon) == []

    @pytest.mark.parametrize("damage", [flip_bit, Path.unlink])
    def test_has_a_dump_verified_that_was_changed_and_then_it_is_red(
        self, daemon: Daemon, today: str, damage: Callable[[Path], object]
    ) -> None:
        daemon.job("dev_backup", today)
        self.requested(daemon)
        env = daemon.bench.env(**daemon.asked)
        [dump] = env.store.names(DUMP)
        damage(backup_folder_of(env).file(dump))
        assert self.requested(daemon) == [("dev_verify", today), ("catalog_job", None)]
        wanted = daemon.requested[0]
        assert wanted.tags["ledgerflow/recheck"] == "yes"
        assert dump in wanted.tags["ledgerflow/why"]
        daemon.job("dev_verify", today, False, **wanted.tags)
        assert daemon.bench.materialized("dev/dump") == daemon.bench.materialized("dev/drill") == set()
        assert ("dev_verify", today) not in self.requested(daemon), "it is red by now"
        daemon.job("dev_backup", today)
        assert daemon.bench.materialized("dev/dump") == daemon.bench.materialized("dev/drill") == {today}

    def test_what_its_verify_finds_is_one_alert_and_closed_by_a_newer_proven_backup(
        self, daemon: Daemon, today: str
    ) -> None:
        """The watch, the run that it has requested, and the runs' sensor look at the same damage."""
        daemon.job("dev_backup", today)
        for watch in ("dev_watch", "runs_watch"):
            daemon.tick(watch)
        assert daemon.open == []
        env = daemon.bench.env(**daemon.asked)
        [dump] = env.store.names(DUMP)
        flip_bit(backup_folder_of(env).file(dump))
        daemon.tick("dev_watch")
        [wanted, _] = daemon.requested
        daemon.job("dev_verify", today, False, **wanted.tags)
        for watch in ("runs_watch", "dev_watch", "runs_watch"):
            daemon.tick(watch)
        assert len(daemon.web.alerts) == 1, daemon.web.titles
        assert dump in daemon.web.alerts[0]["message"]
        assert "was changed by something else than this system" in daemon.web.alerts[0]["message"]

        quarantine.quarantine(env, dump, "damaged by the test", "")
        daemon.job("dev_backup", today)
        for watch in ("dev_watch", "runs_watch"):
            daemon.tick(watch)
        assert daemon.open == []
        assert [title for title in daemon.web.titles if "RESOLVED" in title] == daemon.web.titles[1:]
        assert len(daemon.web.titles) == 2

    def test_records_a_quarantine_and_its_undo_once(self, daemon: Daemon, today: str) -> None:
        env = daemon.bench.env(**daemon.asked)
        dump = backup.backup(env, BackupRequest()).dump.file
        daemon.tick("dev_watch")

        def observed() -> list[tuple[str | None, object]]:
            with daemon.bench.instance() as instance:
                records = instance.fetch_observations(asset_key(env, "dump"), 9, ascending=True).records
            seen = [record.asset_observation for record in records]
            return [(one.partition, one.metadata["state"].value) for one in seen if one]

        quarantine.quarantine(env, dump, "", dump)
        for _ in range(2):
            daemon.tick("dev_watch")
        inside = (today, "in quarantine: no backup any more")
        assert observed() == [inside]
        quarantine.undo(env, dump)
        for _ in range(2):
            daemon.tick("dev_watch")
        assert observed() == [inside, (today, "moved back out of quarantine: verify it")]

    def test_does_not_have_a_dump_verified_whose_mode_was_changed(self, daemon: Daemon, today: str) -> None:
        daemon.job("dev_backup", today)
        self.requested(daemon)
        env = daemon.bench.env(**daemon.asked)
        [dump] = env.store.names(DUMP)
        backup_folder_of(env).file(dump).chmod(0o640)
        assert ("dev_verify", today) not in self.requested(daemon)

    def test_begins_anew_with_the_cursor_of_an_earlier_version(self, daemon: Daemon, today: str) -> None:
        daemon.job("dev_backup", today)
        daemon.cursors["dev_watch"] = "Check(name='fresh', passed=True)"
        assert self.requested(daemon) == [("catalog_job", None)]

    def test_of_an_environment_that_is_not_scheduled_is_quiet(self, daemon: Daemon) -> None:
        assert daemon.tick("prod_watch") == "Nothing is wrong."

    @pytest.mark.parametrize("name", ["dev", "machine", "runs"])
    def test_leaves_a_sign_of_life(self, daemon: Daemon, name: str) -> None:
        assert monitor.heartbeat_age(daemon.ctx, name) is None
        daemon.tick(f"{name}_watch")
        silence = monitor.heartbeat_age(daemon.ctx, name)
        assert silence is not None
        assert silence < timedelta(seconds=30)


def test_all_sensors_run_from_the_start(bench: Bench) -> None:
    found = {one.name: one for one in build_definitions(bench.settings()).sensors or ()}
    ours = {"dev_watch", "test_watch", "prod_watch", "machine_watch", "runs_watch"}
    assert ours <= set(found)
    assert all(found[name].default_status is dg.DefaultSensorStatus.RUNNING for name in ours)
    assert builders.settings(bench.root).alerts.channels == ()
