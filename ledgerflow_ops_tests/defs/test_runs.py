"""Runs of the jobs in Dagster's storage: which succeed, what is reported, what is stopped."""

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.naming import DUMP, BackupName
from ledgerflow_ops.core.finished_run import FinishedRun
from ledgerflow_ops.core.operation_requests import BackupRequest, DrillRequest, VerifyRequest
from ledgerflow_ops.core.progress import SilentReporter, Step
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.test_chain import DRILL_CHECKS, DUMP_CHECKS
from ledgerflow_ops_tests.e2e.commands import flip_bit


def order(
    env: EnvironmentContext,
    job: str = "backup",
    day: date | None = None,
    *,
    drilled: bool = True,
    file: str | None = None,
) -> FinishedRun:
    """Run a job for a day (today) the way the terminal does."""
    kind = {"backup": BackupRequest, "verify": VerifyRequest, "drill": DrillRequest}[job]
    request = kind(file=file) if file else kind()
    return run_job(env, request, day or env.today(), assets=() if drilled else ("dump",))


def the_dump(env: EnvironmentContext) -> Path:
    """The one dump there is."""
    [name] = env.store.names(DUMP)
    return backup_folder_of(env).file(name)


class TestABackup:
    def test_is_on_record_with_all_that_can_be_said_of_it(
        self, bench: Bench, env: EnvironmentContext
    ) -> None:
        outcome = order(env)
        assert outcome.failure is None
        today, dump = env.today(), the_dump(env)
        manifest = catalog.read_manifest(env, BackupName.of(dump.name))
        assert manifest is not None

        # The partitions of today are green, and no others.
        assert bench.materialized("dev/dump") == bench.materialized("dev/drill") == {today.isoformat()}

        # Who ran it and why.
        found = bench.run(outcome.run_id)
        assert found.status is dg.DagsterRunStatus.SUCCESS
        assert found.tags["ledgerflow/who"] == "tests"
        assert found.tags["ledgerflow/why"] == "a test"
        assert found.tags["ledgerflow/trigger"] == "terminal"
        assert manifest.run.run_id == outcome.run_id
        assert (manifest.run.who, manifest.run.why) == ("tests", "a test")

        # What the programs printed, and how they ended.
        with bench.instance() as opened:
            logged = [entry.user_message for entry in opened.all_logs(outcome.run_id)]
        ended = [line for line in logged if ": exit code 0 after " in line]
        assert [line.split()[0] for line in ended][:2] == ["pg_dump", "pg_restore"]

        # Every verdict belongs to its day; none is left dangling.
        for asset, checks in (("dev/dump", DUMP_CHECKS), ("dev/drill", DRILL_CHECKS)):
            verdicts = bench.verdicts(asset)
            assert {verdict.check for verdict in verdicts} == checks
            assert len(verdicts) == len(checks)
            assert all(verdict.partition == today.isoformat() and verdict.passed for verdict in verdicts)
            assert all(verdict.description for verdict in verdicts)

        # The metadata: figures as numbers, which are plotted, and words beside them.
        of_dump, of_drill = bench.metadata("dev/dump", today), bench.metadata("dev/drill", today)
        assert of_dump["file"] == of_drill["file"] == dump.name
        assert of_dump["folder"] == str(backup_folder_of(env).path)
        assert of_dump["size_bytes"] == dump.stat().st_size
        assert of_dump["size"].endswith(" KB")
        assert of_dump["rows"] == of_drill["rows"] == manifest.rows
        assert of_dump["tables"] == 27
        assert of_dump["recovery_point"] == pytest.approx(manifest.recovery_point.timestamp())
        assert of_dump["sha256"] == manifest.dump.sha256
        assert f"make restore-test FILE={dump.name}" in of_dump["next"]
        assert "| profiles_transaction |" in of_dump["rows_per_table"].replace("public.", "")
        assert "| phase | seconds |" in of_dump["durations"]
        assert (of_drill["proven"], of_drill["rung"]) == (True, "valid")
        assert of_drill["rto_seconds"] > 0
        assert of_drill["restored_into"].startswith("PostgreSQL ")
        assert "SAMPLE" not in of_dump

    def test_of_the_sample_is_loud_about_it(self, bench: Bench) -> None:
        sample = Bench(bench.root, bench.storage).env()
        assert order(sample, drilled=False).failure is None
        assert "SAMPLE DATA" in bench.metadata("dev/dump", sample.today())["SAMPLE"]
        sample.ctx.embedded.stop()

    def test_without_its_drill_leaves_the_drill_missing(self, bench: Bench, env: EnvironmentContext) -> None:
        outcome = order(env, drilled=False)
        assert {check.name for check in outcome.checks} == DUMP_CHECKS
        assert bench.materialized("dev/dump") == {env.today().isoformat()}
        assert bench.materialized("dev/drill") == set()
        assert bench.verdicts("dev/drill") == []

    def test_that_is_refused_says_why_on_record(self, bench: Bench, env: EnvironmentContext) -> None:
        assert order(env, drilled=False, file="mine.dump").failure is None
        outcome = order(env, drilled=False, file="mine.dump")
        assert outcome.failure is not None
        assert outcome.failure.exit_code == 3
        assert "exists already" in outcome.failure.message
        assert outcome.failure.hint
        assert bench.run(outcome.run_id).status is dg.DagsterRunStatus.FAILURE


def truncated(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def its_manifest(dump: Path) -> None:
    flip_bit(dump.with_suffix(".manifest.json"))


DAMAGES = [flip_bit, truncated, its_manifest, Path.unlink]


class _Saboteur(SilentReporter):
    """Damages this run's dump at the moment in which the checks begin."""

    def __init__(self, folder: Path, damage: Callable[[Path], object]) -> None:
        self.folder, self.damage, self.before = folder, damage, {*folder.glob("*.dump")}
        self.done = False

    def step(self, step: Step) -> None:
        fresh = {*self.folder.glob("*.dump")} - self.before
        if step is Step.VERIFY and fresh:
            self.damage(fresh.pop())
            self.done = True


class TestABadDump:
    @pytest.mark.parametrize("damage", [flip_bit, Path.unlink])
    def test_is_found_by_the_verify_job_and_by_the_drill(
        self, bench: Bench, env: EnvironmentContext, damage: Callable[[Path], object]
    ) -> None:
        order(env, drilled=False)
        damage(the_dump(env))
        verified = order(env, "verify")
        assert verified.failure is not None
        assert verified.failure.exit_code == 4
        assert verified.failure.hint
        failed = [verdict for verdict in bench.verdicts("dev/dump", verified.run_id) if not verdict.passed]
        assert failed
        for verdict in failed:
            assert verdict.severity == "ERROR"
            assert verdict.partition == env.today().isoformat()
            assert verdict.metadata["hint"]
            assert verdict.metadata["cause"]

        drilled = order(env, "drill")
        assert drilled.failure is not None
        assert drilled.failure.exit_code == 4
        assert drilled.failure.hint
        assert bench.run(drilled.run_id).status is dg.DagsterRunStatus.FAILURE
        assert bench.materialized("dev/drill") == set()
        verdicts = bench.verdicts("dev/drill", drilled.run_id)
        assert {verdict.check for verdict in verdicts} == DRILL_CHECKS, "what was not looked at did not pass"
        assert not any(verdict.passed for verdict in verdicts)

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_stops_its_own_run_before_the_drill_even_beside_an_older_good_one(
        self, bench: Bench, env: EnvironmentContext, damage: Callable[[Path], object]
    ) -> None:
        order(env, drilled=False)
        saboteur = _Saboteur(backup_folder_of(env).path, damage)
        outcome = order(bench.env(reporter=saboteur))
        assert saboteur.done, "nothing was damaged"
        assert outcome.failure is not None
        assert outcome.failure.exit_code == 4
        assert bench.run(outcome.run_id).status is dg.DagsterRunStatus.FAILURE
        assert bench.materialized("dev/drill") == set(), "the drill was reached"


class TestAPastDay:
    def test_without_a_backup_is_refused_and_nothing_is_written(
        self, bench: Bench, env: EnvironmentContext
    ) -> None:
        day = env.today() - timedelta(days=2)
        outcome = order(env, day=day)
        assert outcome.failure is not None
        assert outcome.failure.exit_code == 3
        assert str(day) in outcome.failure.message
        assert "adopted" in outcome.failure.hint
        assert not backup_folder_of(env).path.exists() or not list(backup_folder_of(env).path.iterdir())
        assert bench.materialized("dev/dump") == bench.materialized("dev/drill") == set()

    def test_whose_backup_lies_in_the_folder_is_adopted_and_proven(
        self, bench: Bench, env: EnvironmentContext
    ) -> None:
        day = env.today() - timedelta(days=2)
        manifest = backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=2)))
        before = {file: file.stat().st_mtime_ns for file in backup_folder_of(env).path.glob("*.dump")}
        outcome = order(env, day=day)
        assert outcome.failure is None
        assert {file: file.stat().st_mtime_ns for file in backup_folder_of(env).path.glob("*.dump")} == before
        assert bench.metadata("dev/dump", day)["file"] == manifest.dump.file
        assert bench.materialized("dev/dump") == bench.materialized("dev/drill") == {day.isoformat()}
        assert {verdict.partition for verdict in bench.verdicts("dev/dump")} == {day.isoformat()}
        assert catalog.entry(env, BackupName.of(manifest.dump.file)).proven

    def test_whose_backup_is_bad_is_not_adopted(self, bench: Bench, env: EnvironmentContext) -> None:
        backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=2)))
        truncated(the_dump(env))
        outcome = order(env, day=env.today() - timedelta(days=2))
        assert outcome.failure is not None
        assert outcome.failure.exit_code == 3
        assert bench.materialized("dev/dump") == set()

    def test_to_come_is_refused_as_well(self, bench: Bench, env: EnvironmentContext) -> None:
        outcome = order(env, day=env.today() + timedelta(days=1))
        assert outcome.failure is not None
        assert outcome.failure.exit_code == 3


class TestWhichBackup:
    def test_a_day_stands_for_its_newest(self, bench: Bench, env: EnvironmentContext) -> None:
        order(env, drilled=False, file="first.dump")
        order(env, drilled=False, file="second.dump")
        assert order(env, "drill").failure is None
        assert bench.metadata("dev/drill", env.today())["file"] == "second.dump"

    def test_a_named_one_is_the_one(self, bench: Bench, env: EnvironmentContext) -> None:
        order(env, drilled=False, file="first.dump")
        order(env, drilled=False, file="second.dump")
        assert order(env, "drill", file="first.dump").failure is None
        assert bench.metadata("dev/drill", env.today())["file"] == "first.dump"

    def test_a_run_repeated_from_its_failure_is_about_the_same(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first run's drill is not judged: a rule is mistyped. Then the day gets a newer backup."""
        settings = bench.root / "ledgerflow.toml"
        assert bench.database is not None
        for name, value in {
            "LEDGER_CONFIG": settings,
            "LEDGER_BACKUP_ROOT": bench.root / "backups",
            "LEDGER_STATE_DIR": bench.root / "state",
            "LEDGER_DEV_DATABASE_URL": builders.database_url(bench.database),
        }.items():
            monkeypatch.setenv(name, str(value))
        rule = '[[environments.dev.rules]]\nname = "r"\nsql = "SELECT {}(1)"\nexpect = "1"\n'
        settings.write_text(rule.format("mistyped"))
        with bench.instance() as opened:
            first = _job().execute_in_process(
                instance=opened,
                tags={"dagster/partition": clock.now().date().isoformat()},
                run_config={"ops": {"dev__dump": {"config": {"file": "first.dump"}}}},
                raise_on_error=False,
            )
            assert not first.success
            order(bench.env(), drilled=False, file="second.dump")
            settings.write_text(rule.format("abs"))
            with dg.execute_job(
                dg.reconstructable(_job),
                instance=opened,
                reexecution_options=dg.ReexecutionOptions.from_failure(first.run_id, opened),
                run_config={"ops": {"dev__dump": {"config": {"file": "first.dump"}}}},
                tags={"dagster/partition": clock.now().date().isoformat()},
            ) as second:
                assert second.success
                assert [event.step_key for event in second.get_step_success_events()] == ["dev__drill"]
        env = bench.env()
        assert bench.metadata("dev/drill", env.today())["file"] == "first.dump"
        assert catalog.entry(env, BackupName("first")).proven
        assert not catalog.entry(env, BackupName("second")).proven

    def test_a_day_without_any_says_what_to_do(self, bench: Bench, env: EnvironmentContext) -> None:
        for job in ("verify", "drill"):
            outcome = order(env, job)
            assert outcome.failure is not None
            assert outcome.failure.exit_code == 1
            assert "There is no backup of dev" in outcome.failure.message
            assert outcome.failure.hint

    def test_a_run_about_no_day_says_how_to_name_one(self, bench: Bench, env: EnvironmentContext) -> None:
        """The page's button that executes all checks of an asset starts such a run."""
        order(env, drilled=False)
        with bench.instance() as opened, contextlib.redirect_stderr(None):
            job = build_definitions(env.ctx.settings).resolve_job_def("dev_verify")
            done = job.execute_in_process(instance=opened, raise_on_error=False)
        [failed] = [event for event in done.all_events if event.is_step_failure]
        told = failed.step_failure_data.user_failure_data
        assert told is not None
        assert "no backup day" in (told.description or "")
        assert "dagster/partition" in str(told.metadata["hint"].value)


def _job() -> dg.JobDefinition:
    """The backup job of the settings that apply; Dagster builds it again to repeat a run."""
    return build_definitions(config.load()).resolve_job_def("dev_backup")
