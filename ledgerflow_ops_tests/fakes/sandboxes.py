"""A test's environment: a folder, a database, and what can be observed of both from outside."""

import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Reporter, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import servers
from ledgerflow_ops_tests.fakes.servers import Server

Action = Callable[[], object]


@dataclass
class ActionAtStep(Recorder):
    """A Reporter that runs `action` once, when the step `at` is announced. `fired` says whether it did."""

    at: Step = Step.DUMP
    action: Action = lambda: None
    fired: bool = False

    def step(self, step: Step) -> None:
        super().step(step)
        if step is self.at and not self.fired:
            self.fired = True
            self.action()


@dataclass
class ActionAfterBytes(Recorder):
    """A Reporter that runs `action` once, when `size` bytes of a dump have been reported."""

    size: int = 1
    action: Action = lambda: None
    fired: bool = False

    def moved(self, done: int, expected: int | None) -> None:
        super().moved(done, expected)
        if done >= self.size and self.steps[-1] is not Step.SEAL and not self.fired:
            self.fired = True
            self.action()


@dataclass(frozen=True)
class Sandbox:
    """A root with the folders of one environment, and the database that it backs up."""

    root: Path
    database: Database
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        servers.share_templates(self.root / "state", self.root.parent)

    def env(
        self, reporter: Reporter | None = None, now: Any = clock.now, **fields: Any
    ) -> EnvironmentContext:
        """The environment's context, with this reporter and clock."""
        return builders.env(self.root, self.database, reporter=reporter, now=now, **{**self.fields, **fields})

    def with_files(self) -> "Sandbox":
        """The same sandbox with files to back up, in the folder `media` below its root."""
        media = self.root / "media"
        media.mkdir()
        (media / "statement.pdf").write_bytes(bytes(range(256)) * 400)
        (media / "link").symlink_to("statement.pdf")
        return replace(self, fields={**self.fields, "files": [media]})

    def entries(self) -> list[CatalogEntry]:
        return catalog.entries(self.env())

    def states(self) -> dict[str, str]:
        """The state of each dump, as people read it, by the dump's stem."""
        return {entry.name.stem: entry.state for entry in self.entries()}

    def files(self) -> dict[str, str]:
        """The SHA-256 of every file in the environment's folder."""
        folder = backup_folder_of(self.env()).path
        if not folder.exists():
            return {}
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}

    def unfinished(self) -> list[str]:
        return [name for name in self.files() if name.endswith(".partial")]

    @property
    def drills(self) -> Path:
        """Where the servers of drills have their folders."""
        return self.env().ctx.server_home.root / "drills"

    def drill_keys(self) -> list[str]:
        """The keys of the drills that have left a lock file."""
        return sorted(file.stem for file in self.drills.glob("*.lock"))

    def traces(self, keys: list[str]) -> list[str]:
        """All that drills have left in this sandbox: files, the folders of their sockets, processes."""
        traces = [str(file) for file in self.drills.glob("*")]
        for private in (Path("/tmp"), Path("/dev/shm")):
            traces += [str(private / f"lf-{key}") for key in keys if (private / f"lf-{key}").exists()]
        return traces + [str(process) for process in processes_in(self.root)]


def take_backup(
    env: EnvironmentContext, request: BackupRequest | None = None, day: date | None = None
) -> Manifest:
    """Take a backup. Retries once if it is refused because another has the same second in its name."""
    try:
        return backup.backup(env, request or BackupRequest(), day)
    except Refused as refusal:
        if "of this second" not in refusal.message:
            raise
        time.sleep(1)
        return backup.backup(env, request or BackupRequest(), day)


def prove_backup(env: EnvironmentContext, manifest: Manifest) -> BackupName:
    """Drill that backup; AssertionError with the failed checks unless it is valid."""
    name = BackupName.of(manifest.dump.file)
    examination = drill.drill(env, name)
    failed = [(check.name, check.message) for check in examination.checks if not check.passed]
    assert examination.rung is Rung.VALID, failed
    assert examination.proven
    return name


def with_settings(env: EnvironmentContext, **fields: Any) -> EnvironmentContext:
    """The same environment with other settings, such as `tools_dir`."""
    return EnvironmentContext(
        replace(env.ctx, settings=env.ctx.settings.model_copy(update=fields)), env.environment
    )


def new_env(
    environment: Environment, root: Path, database: Database, reporter: Reporter | None = None
) -> EnvironmentContext:
    """The context of any environment, with this database, and its folders below `root`."""
    settings = Settings(
        backup_root=root / "backups",
        state_dir=root / "state",
        environments={environment: {"database_url": builders.database_url(database)}},
    )
    return EnvironmentContext(OperationContext(settings, reporter or Recorder()), environment)


@contextmanager
def temporary_folder(above: Path) -> Iterator[Path]:
    """A new folder below `above`, removed afterwards; AssertionError if a process still works in it."""
    path = above / secrets.token_hex(4)
    path.mkdir(mode=0o711)
    with removed_afterwards(path):
        yield path


@contextmanager
def removed_afterwards(path: Path) -> Iterator[None]:
    """Remove a folder afterwards; AssertionError if a process still works in it."""
    try:
        yield
    finally:
        processes = processes_in(path)
        for process in processes:
            process.kill()
        shutil.rmtree(path, ignore_errors=True)
    assert not processes, f"left running: {processes}"


@contextmanager
def sample_copy(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """A fresh copy of the sample database in the session's server."""
    sample = embedded.sample(Environment.TEST)
    server, name = sample.named("postgres"), f"books_{secrets.token_hex(4)}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")  # half the time of WAL_LOG
    with server.connect() as connection:
        connection.execute(
            statement.format(sql.Identifier(name), sql.Identifier(sample.parameters["dbname"]))
        )
    try:
        yield server.named(name)
    finally:
        with server.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is in `folder`: a server works in its data folder."""
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def processes_marked(mark: str) -> list[str]:
    """The names of the processes that have `mark` in their environment: of a program and all it started."""
    names = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().values():
                names.append(process.name())
        except (psutil.Error, OSError):
            continue
    return names


@dataclass(frozen=True)
class ServerSandbox:
    """A sandbox whose database is on that server."""

    sandbox: Sandbox
    server: Server

    @property
    def database(self) -> Database:
        return self.sandbox.database

    @property
    def name(self) -> str:
        """The database's name."""
        return self.database.parameters["dbname"]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for a condition; returns whether it became true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
