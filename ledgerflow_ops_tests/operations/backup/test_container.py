"""Backups, drills, restores and rollbacks of a PostgreSQL in a container, on a real engine."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import DUMP
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import RestoreRequest, RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.restore import restore, rollback, target_inspection
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import contained as containers
from ledgerflow_ops_tests.fakes import engine as engines
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.contained import DESCRIPTION, ContainerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.sandboxes import ActionAfterBytes, ActionAtStep
from ledgerflow_ops_tests.fakes.targets import MARKED

_DEV = Environment.DEV
_LOOKED_AT = ("dev container", "dev source")
_LARGE = "CREATE TABLE public.large AS SELECT md5(random()::text) AS word FROM generate_series(1, 400000)"
"""A table whose dump is larger than all that lies between pg_dump and whoever reads it."""


@pytest.fixture(scope="module")
def project(engine: Engine, session_root: Path) -> Iterator[ContainerSandbox]:
    with (
        sandboxes.temporary_folder(session_root) as folder,
        containers.container_sandbox(engine, folder) as found,
    ):
        yield found


@pytest.fixture
def contained(project: ContainerSandbox, root: Path) -> Iterator[ContainerSandbox]:
    """A database of the test's own, gone with the engine; nothing of ours is at work in there afterwards."""
    found = project.fresh(root)
    yield found
    assert sandboxes.wait_until(lambda: not found.at_work()), found.at_work()


def test_a_backup_its_proof_a_restore_over_it_and_the_way_back(project: ContainerSandbox, root: Path) -> None:
    """The application runs: force overrides that, and the rollback finds it running again."""
    contained, seen = (
        ContainerSandbox(project.project, root, project.database),
        Seen(project.project.password),
    )
    manifest = sandboxes.take_backup(contained.env(seen.reporter))
    sandboxes.prove_backup(contained.env(seen.reporter), manifest)
    assert manifest.source.database == contained.database
    assert manifest.source.bootstrap_role == contained.project.user
    assert (manifest.compression, manifest.globals_note) == ("zstd:1", "")
    assert manifest.globals is not None
    before = contained.ask(DESCRIPTION)
    contained.ask(MARKED)
    _with_the_application(contained, manifest)
    restored = restore.restore(
        contained.env(seen.reporter), RestoreRequest(environment=_DEV, file=manifest.dump.file, force=True)
    )
    assert restored.bad is None
    assert "The application (django, redis) keeps running" in " ".join(
        one.message for one in restored.plan.warnings
    )
    assert contained.ask(DESCRIPTION) == before
    assert contained.names() == [contained.database, restored.before]
    connected = next(check for check in restored.checks if check.name == "connection")
    assert f"ledger-dev/postgres: {contained.database}" in connected.message
    only_redis = contained.env(seen.reporter, {"application": ["redis"]})
    contained.project.compose("stop", "django")
    with pytest.raises(Refused, match="is running: redis"):
        rollback.rollback(only_redis, RollbackRequest(environment="dev"))
    assert (
        rollback.plan_rollback(only_redis, target_inspection.inspect_target(only_redis), force=True).back.name
        == restored.before
    )
    contained.project.compose("stop", "redis")
    assert rollback.rollback(only_redis, RollbackRequest(environment="dev")).back.name == restored.before
    assert contained.ask(DESCRIPTION) == "after the backup"
    seen.no_password(root)
    for name in set(contained.names()) - {contained.database}:
        contained.project.psql(f"DROP DATABASE {name}", "postgres")


def _with_the_application(contained: ContainerSandbox, manifest: Manifest) -> None:
    """Start it; a restore without force is refused for it."""
    contained.project.up("django", "redis")
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'django'"
    assert sandboxes.wait_until(lambda: contained.ask(sessions) == "1")
    plan = restore.prepare_restore(
        contained.env(), RestoreRequest(environment=_DEV, file=manifest.dump.file)
    ).plan
    assert {"sessions", "application", "not empty"} == {reason.cause for reason in plan.refusals}
    (reason,) = [reason for reason in plan.refusals if reason.cause == "application"]
    assert reason.message.endswith("is running: django, redis.")
    assert str(reason.hint).endswith(" stop django redis")


class _Watching(Recorder):
    """A Reporter that has somebody look, time and again, until pg_dump is at work."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self._look, self._done, self._watch = look, threading.Event(), threading.Thread()

    def step(self, step: Step) -> None:
        super().step(step)
        if step is Step.SNAPSHOT:
            self._done.clear()
            self._watch = threading.Thread(target=self._go_on)
            self._watch.start()
        elif step is Step.SEAL:
            self._done.set()
            self._watch.join()

    def _go_on(self) -> None:
        while not self._done.wait(0.05):
            self._look()


class Seen:
    """What everybody on this machine can see while a dump is taken, and what is written of it."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.processes: list[str] = []
        self.reporter = _Watching(self._look)

    def _look(self) -> None:
        self.processes += containers.processes_with(" exec -T ")
        self.processes += containers.processes_with(self.password)

    def no_password(self, root: Path) -> None:
        assert [line for line in self.processes if " pg_dump " in line]
        assert not [line for line in self.processes if self.password in line]
        written = [file for file in root.rglob("*") if file.is_file()]
        assert {"journal.jsonl"} <= {file.name for file in written}
        assert not [file for file in written if self.password.encode() in file.read_bytes()]
        assert not [line for line in self.reporter.said if self.password in line]


def test_a_database_that_is_gone_comes_back(contained: ContainerSandbox) -> None:
    manifest = sandboxes.take_backup(contained.env())
    before = contained.ask(DESCRIPTION)
    contained.project.psql(f"DROP DATABASE {contained.database}", "postgres")
    assert (
        restore.restore(contained.env(), RestoreRequest(environment=_DEV, file=manifest.dump.file)).bad
        is None
    )
    assert contained.ask(DESCRIPTION) == before


_SLOW = """
import json, sys, time
from pathlib import Path
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.sandboxes import ActionAfterBytes
root, compose = Path(sys.argv[1]), json.loads(sys.argv[2])
def wait():
    (root / "dumping").touch()
    time.sleep(120)
backup.backup(builders.env(root, reporter=ActionAfterBytes(action=wait), compose=compose))
"""


_CLIENTS = engines.clients() or [Path("docker")]


@pytest.mark.parametrize(
    ("client", "end"), [(_CLIENTS[0], signal.SIGKILL), (_CLIENTS[-1], signal.SIGINT)], ids=str
)
def test_a_backup_that_is_ended_leaves_nothing_at_work_in_the_container(
    contained: ContainerSandbox, monkeypatch: pytest.MonkeyPatch, client: Path, end: signal.Signals
) -> None:
    contained.ask(_LARGE)
    monkeypatch.setenv("PATH", f"{client.parent}{os.pathsep}{os.environ['PATH']}")
    words = [sys.executable, "-c", _SLOW, str(contained.root), json.dumps(contained.compose())]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert sandboxes.wait_until((contained.root / "dumping").exists), child.communicate(timeout=1)
        assert sandboxes.wait_until(lambda: at_work(contained))
        child.send_signal(end)
        child.communicate(timeout=60)
    assert child.returncode
    assert sandboxes.wait_until(lambda: not contained.at_work()), contained.at_work()
    assert sandboxes.wait_until(lambda: not containers.processes_with(contained.project.file.name))
    assert not [name for name in contained.env().store.names(DUMP) if not str(name).endswith(".partial")]


def at_work(contained: ContainerSandbox) -> bool:
    """Whether a pg_dump runs in PostgreSQL's container."""
    return any(line.startswith("pg_dump") for line in contained.project.processes())


def test_a_pg_dump_that_dies_in_there_is_reported_and_nothing_is_kept(contained: ContainerSandbox) -> None:
    contained.ask(_LARGE)
    script = "for p in /proc/[0-9]*; do read -r n <$p/comm; [ $n != pg_dump ] || kill -9 ${p#/proc/}; done"
    kill = ["docker", "exec", contained.project.container, "bash", "-c", script]

    def die() -> None:
        subprocess.Popen(kill, stdin=subprocess.DEVNULL)  # it ends when what pg_dump wrote has been read
        assert sandboxes.wait_until(lambda: not at_work(contained))

    reporter = ActionAfterBytes(action=die)
    with pytest.raises(LedgerError, match=r"pg_dump failed \(exit code 137\)") as told:
        sandboxes.take_backup(contained.env(reporter))
    assert (told.value.exit_code, bool(told.value.hint)) == (1, True)
    assert not contained.env().store.names(DUMP)


def test_a_container_that_stops_in_the_middle_is_reported_and_nothing_is_kept(
    contained: ContainerSandbox,
) -> None:
    reporter = ActionAtStep(at=Step.SEAL, action=lambda: contained.project.compose("stop", "postgres"))
    try:
        with pytest.raises(LedgerError) as told:
            sandboxes.take_backup(contained.env(reporter))
    finally:
        contained.project.up("postgres")
    assert reporter.fired
    assert (told.value.exit_code, bool(told.value.hint)) == (1, True)
    assert not contained.env().store.names(DUMP)


def test_tools_here_that_are_older_than_the_server_in_there_refuse_the_backup(
    contained: ContainerSandbox,
) -> None:
    env = sandboxes.with_settings(contained.env(), tools_dir=servers.debian_15().folder)
    with pytest.raises(LedgerError, match="pg_dump is older than the server: server 17") as told:
        sandboxes.take_backup(env)
    assert "Remove tools_dir from ledgerflow.toml" in told.value.hint
    assert str(told.value.hint).endswith("make tools VERSION=17")
    assert not env.store.names(DUMP)


def test_the_servers_disk_is_not_taken_for_one_of_ours(contained: ContainerSandbox) -> None:
    manifest = sandboxes.take_backup(contained.env())
    aimed = target_inspection.inspect_target(contained.env())
    assert aimed.target.server.superuser
    assert aimed.data_directory is None
    rooms = aimed.required_space(manifest, force=True)
    assert [room.free is None for room in rooms] == [False, True]


def test_doctor_shows_the_container_and_what_is_wrong_with_it(contained: ContainerSandbox) -> None:
    def found(env: EnvironmentContext) -> dict[str, str]:
        checks = doctor.examine(env.ctx, [env])
        return {name: " ".join(one.message for one in checks if one.name == name) for name in _LOOKED_AT}

    told = found(contained.env())
    assert "ledger-dev/postgres: pg_dump 17" in told["dev container"]
    assert "beside it runs nothing" in told["dev container"]
    assert f"ledger-dev/postgres: {contained.database}: PostgreSQL 17" in told["dev source"]
    assert "(ledger-dev/postgres)" in told["dev source"]
    wrong = contained.env(compose={"service": "db"})
    assert all("has no service 'db'" in message for message in found(wrong).values())
    assert {check.name for check in doctor.examine(wrong.ctx, [wrong]) if check.fatal} == set(_LOOKED_AT)


def test_the_identity_is_the_databases_own(contained: ContainerSandbox) -> None:
    with pytest.raises(Refused, match="has no database yet"):
        identity.check_identity(contained.env(), accept=False)
    first = identity.check_identity(contained.env(), accept=True)
    assert identity.check_identity(contained.env(), accept=False) == first
    assert first.database == contained.database
    other = contained.fresh(contained.root)
    with pytest.raises(Refused, match="used to be"):
        sandboxes.take_backup(other.env())


def test_without_a_database_named_it_is_the_containers_own(project: ContainerSandbox, root: Path) -> None:
    env = ContainerSandbox(project.project, root, "").env(compose={"database": None})
    assert env.database().parameters == {"user": project.project.user, "dbname": project.project.database}
    assert not env.is_sample
