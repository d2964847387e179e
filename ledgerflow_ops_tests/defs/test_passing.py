"""A transient failure is retried and any other is reported at once; a run without a process is detected."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.defs.automation.lost_runs import fail_lost_runs
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.timing import SERVER_TIMING, Timing
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep

RETRY = dg.DagsterEventType.STEP_UP_FOR_RETRY


def backed_up(bench: Bench, instance: dg.DagsterInstance, *, retries: int = 3, **dev: Any) -> dg.DagsterRun:
    """Today's backup as the servers would run it, with short waits."""
    timing = Timing(retries=retries, retry_delay=0.5)
    defs = build_definitions(bench.settings(**dev), None, [Environment.DEV], timing)
    done = defs.resolve_job_def("dev_backup").execute_in_process(
        instance=instance,
        tags={"dagster/partition": str(bench.env().today())},
        raise_on_error=False,
    )
    return bench.run(done.run_id)


def retried(opened: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    return len(opened.get_records_for_run(run.run_id, of_type=RETRY).records)


@contextmanager
def behind_a_port(database: Database) -> Iterator[tuple[Database, Callable[[], None]]]:
    """The database behind a port at which nobody listens, and what makes it come up there."""
    port = free_port()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def serve() -> None:
        listener.bind(("127.0.0.1", port))
        listener.listen(20)
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection((database.parameters["host"], int(database.parameters["port"])))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    try:
        yield (
            replace(database, parameters={**database.parameters, "port": str(port)}),
            threading.Thread(target=serve, daemon=True).start,
        )
    finally:
        listener.close()


@contextmanager
def at_the_first_retry(opened: dg.DagsterInstance, act: Callable[[], object]) -> Iterator[None]:
    """Acts once a run of this instance is to be tried again, however long it takes to come to that."""
    over = threading.Event()

    def wait() -> None:
        while not over.wait(0.05):
            if any(retried(opened, run) for run in opened.get_runs()):
                act()
                return

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with one, suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


class TestWhatPasses:
    def test_a_server_that_comes_up_in_between_has_its_backup(self, bench: Bench) -> None:
        assert bench.database is not None
        with behind_a_port(bench.database) as (late, come_up), bench.instance() as opened:
            with at_the_first_retry(opened, come_up):
                run = backed_up(Bench(bench.root, bench.storage, late), opened, retries=20)
            assert run.status is dg.DagsterRunStatus.SUCCESS
            assert 1 <= retried(opened, run) < 20
        assert [entry.proven for entry in catalog.entries(bench.env())] == [True]

    def test_a_server_that_never_comes_up_is_reported_in_the_end(self, bench: Bench) -> None:
        assert bench.database is not None
        with behind_a_port(bench.database) as (never, _), bench.instance() as opened:
            gone = Bench(bench.root, bench.storage, never)
            run = backed_up(gone, opened, retries=2)
            assert run.status is dg.DagsterRunStatus.FAILURE
            assert retried(opened, run) == 2
        assert catalog.entries(bench.env()) == []

    def test_somebody_elses_lock_passes(self, bench: Bench) -> None:
        from ledgerflow_ops.adapters.system import locks

        env = bench.env()
        state = env.ctx.settings.state_dir
        with bench.instance() as opened, ExitStack() as held:
            held.enter_context(locks.environment_lock(state, env.environment, "restore", clock.now()))
            with at_the_first_retry(opened, held.close):
                run = backed_up(bench, opened, retries=20)
            assert run.status is dg.DagsterRunStatus.SUCCESS
            assert retried(opened, run) >= 1

    def test_nobody_waits_at_a_terminal(self, bench: Bench) -> None:
        from ledgerflow_ops.defs.terminal_runs import run_job

        assert bench.database is not None
        with behind_a_port(bench.database) as (never, _):
            env = Bench(bench.root, bench.storage, never).env()
            outcome = run_job(env, BackupRequest(), env.today())
            assert outcome.failure is not None
            assert outcome.failure.exit_code == 1
            with bench.instance() as opened:
                assert retried(opened, bench.run(outcome.run_id)) == 0


class TestWhatDoesNotPass:
    @pytest.mark.parametrize("wrong", [{"user": "nobody_here"}, {"dbname": "no_such_books"}])
    def test_a_server_that_says_no_is_asked_once(self, bench: Bench, wrong: dict[str, str]) -> None:
        assert bench.database is not None
        other = replace(bench.database, parameters={**bench.database.parameters, **wrong})
        with bench.instance() as opened:
            run = backed_up(Bench(bench.root, bench.storage, other), opened)
            assert run.status is dg.DagsterRunStatus.FAILURE
            assert retried(opened, run) == 0

    def test_a_refusal_is_not_repeated(self, bench: Bench) -> None:
        """The day is yesterday, and there is nothing to adopt."""
        defs = build_definitions(bench.settings(), None, [Environment.DEV], Timing(retry_delay=0.5))
        with bench.instance() as opened:
            done = defs.resolve_job_def("dev_backup").execute_in_process(
                instance=opened,
                tags={"dagster/partition": str(bench.env().today() - timedelta(days=1))},
                raise_on_error=False,
            )
            assert not done.success
            assert retried(opened, bench.run(done.run_id)) == 0

    @pytest.mark.parametrize("step", [Step.SEAL, Step.DUMP, Step.RESTORE])
    def test_what_was_interrupted_does_not_continue(self, bench: Bench, step: Step) -> None:
        """Ended by a click, or because it took too long: Dagster interrupts it once, while it works."""

        def end() -> None:
            raise DagsterExecutionInterruptedError

        told = ActionAtStep(at=step, action=end)
        defs = build_definitions(bench.settings(), told, [Environment.DEV], Timing(retry_delay=0.1))
        with bench.instance() as opened:
            done = defs.resolve_job_def("dev_backup").execute_in_process(
                instance=opened,
                tags={"dagster/partition": str(bench.env().today())},
                raise_on_error=False,
            )
            assert told.fired
            assert told.steps.count(step) == 1
            assert retried(opened, bench.run(done.run_id)) == 0
            assert bench.run(done.run_id).status is dg.DagsterRunStatus.FAILURE
        assert not any(entry.proven for entry in catalog.entries(bench.env()))

    def test_a_bad_dump_is_not_made_again(self, bench: Bench) -> None:
        with bench.instance() as opened:
            run = backed_up(bench, opened, rules=[{"name": "broken", "sql": "SELECT 1", "expect": "2"}])
            assert run.status is dg.DagsterRunStatus.FAILURE
            assert retried(opened, run) == 0
        assert len(catalog.entries(bench.env())) == 1

    def test_a_dump_below_size_floor_is_proven_all_the_same(self, bench: Bench) -> None:
        with bench.instance() as opened:
            run = backed_up(bench, opened, size_floor="1GB")
            assert run.status is dg.DagsterRunStatus.SUCCESS
        [entry] = catalog.entries(bench.env())
        assert entry.proven
        [size] = [verdict for verdict in bench.verdicts("dev/dump") if verdict.check == "size"]
        assert (size.passed, size.severity) == (False, "WARN")
        assert "bytes are below size_floor, which is 1,000,000,000." in size.description


PROGRAM = """
import sys
from pathlib import Path
import dagster as dg
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.killed import Fatal
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.config import Settings

root, url, storage, where, day = sys.argv[1:]
plain = builders.settings(Path(root), Database.from_address(url, "url"))
settings = Settings(backup_root=plain.backup_root, state_dir=plain.state_dir, dagster_database_url=storage,
                    environments=plain.environments)
defs = build_definitions(settings, Fatal(where), [Environment.DEV])
with dg.DagsterInstance.get() as opened:
    defs.resolve_job_def("dev_backup").execute_in_process(instance=opened, tags={"dagster/partition": day})
"""


def killed(bench: Bench, where: str) -> None:
    """A run of today's backup whose process kills itself at a step."""
    assert bench.database is not None
    settings = bench.settings()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            str(bench.root),
            builders.database_url(bench.database),
            builders.database_url(bench.storage),
            where,
            str(bench.env().today()),
        ],
        env={
            **os.environ,
            **dagster_home.dagster_variables(settings.state_dir, PROJECT, bench.storage.sqlalchemy_url()),
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


class TestAnOrphan:
    def test_is_found_its_lock_is_free_and_its_partial_swept(self, bench: Bench) -> None:
        killed(bench, "sync")
        folder = backup_folder_of(bench.env()).path
        assert list(folder.glob("*.partial"))
        with bench.instance() as opened:
            [run] = opened.get_runs()
            assert run.status is dg.DagsterRunStatus.STARTED, "Dagster itself does not find out"
            assert list(fail_lost_runs(opened, SERVER_TIMING)) == [run.run_id]
            again = bench.run(run.run_id)
            assert again.status is dg.DagsterRunStatus.FAILURE
            assert list(fail_lost_runs(opened, SERVER_TIMING)) == []
            assert backed_up(bench, opened).status is dg.DagsterRunStatus.SUCCESS
        assert not list(folder.glob("*.partial"))
        assert [entry.proven for entry in catalog.entries(bench.env())] == [True]

    def test_is_none_as_long_as_its_process_lives_or_works_elsewhere(self, bench: Bench) -> None:
        defs = build_definitions(bench.settings())
        with bench.instance() as opened:
            job = defs.resolve_job_def("dev_backup")
            of_terminal = {"ledgerflow/host": "another", "ledgerflow/trigger": "terminal"}
            # What the page re-executes runs here, though it copies the tags.
            copied = {**of_terminal, "dagster/parent_run_id": "11111111-1111-1111-1111-111111111111"}
            here, there, gone, again, reused, fresh = (
                opened.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
                for tags in ({}, of_terminal, {}, copied, {}, {})
            )
            ended = subprocess.Popen(["true"])
            ended.wait()
            for run, pid in ((here, os.getpid()), *((run, ended.pid) for run in (there, gone, again))):
                opened.report_engine_event("at work", run, _by(pid))
            younger = subprocess.Popen(["sleep", "60"])
            try:
                before = psutil.Process(younger.pid).create_time() - 10
                _said_at(opened, reused, younger.pid, before)
                assert set(fail_lost_runs(opened, SERVER_TIMING)) == {
                    run.run_id for run in (gone, again, reused)
                }
            finally:
                younger.kill()
                younger.wait()
            assert bench.run(fresh.run_id).status is dg.DagsterRunStatus.STARTED, (
                "it has two minutes to begin"
            )


def _by(pid: int) -> Any:
    from dagster._core.events import EngineEventData

    return EngineEventData.in_process(pid)


def _said_at(opened: dg.DagsterInstance, run: dg.DagsterRun, pid: int, at: float) -> None:
    """An engine event of the past."""
    from dagster._core.events import DagsterEvent, DagsterEventType
    from dagster._core.events.log import EventLogEntry

    event = DagsterEvent(DagsterEventType.ENGINE_EVENT.value, run.job_name, event_specific_data=_by(pid))
    opened.store_event(
        EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None, user_message="", level=10, run_id=run.run_id, timestamp=at, dagster_event=event
        )
    )


def test_what_a_full_night_leaves_is_taken_up_by_its_own_runs_alone(bench: Bench) -> None:
    """A run that somebody starts by hand takes a backup of its own, though the night's is there."""
    made = backup.backup(bench.env())
    with bench.instance() as opened:
        assert backed_up(bench, opened).status is dg.DagsterRunStatus.SUCCESS
    names = {entry.name for entry in catalog.entries(bench.env())}
    assert len(names) == 2
    assert BackupName.of(made.dump.file) in names
