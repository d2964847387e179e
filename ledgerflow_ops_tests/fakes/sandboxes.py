"""Where a test plays: a folder, a database in it, and what can be seen of both from outside."""

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
from ledgerflow_ops_tests.builders import Recorder, folder_of
from ledgerflow_ops_tests.fakes.servers import Server

Action = Callable[[], object]


@dataclass
class At(Recorder):
    """A Reporter that does something when a step is announced, once. `fired` says whether it did."""

    at: Step = Step.DUMP
    action: Action = lambda: None
    fired: bool = False

    def step(self, step: Step) -> None:
        super().step(step)
        if step is self.at and not self.fired:
            self.fired = True
            self.action()


@dataclass
class After(Recorder):
    """A Reporter that does something when so many bytes of a dump have gone by, once."""

    size: int = 1
    action: Action = lambda: None
    fired: bool = False

    def moved(self, done: int, expected: int | None) -> None:
        super().moved(done, expected)
        if done >= self.size and not self.fired:
            self.fired = True
            self.action()


@dataclass(frozen=True)
class Sandbox:
    """A root with the folders of one environment, and the database it backs up."""

    root: Path
    database: Database
    fields: Mapping[str, Any] = field(default_factory=dict)

    def env(
        self, reporter: Reporter | None = None, now: Any = clock.now, **fields: Any
    ) -> EnvironmentContext:
        """The environment, as a test with this reporter and this clock sees it."""
        return builders.env(self.root, self.database, reporter=reporter, now=now, **{**self.fields, **fields})

    def with_files(self) -> "Sandbox":
        """The same ground with files that belong to a backup, in the folder `media` below its root."""
        media = self.root / "media"
        media.mkdir()
        (media / "statement.pdf").write_bytes(bytes(range(256)) * 400)
        (media / "link").symlink_to("statement.pdf")
        return replace(self, fields={**self.fields, "files": [media]})

    def entries(self) -> list[CatalogEntry]:
        return catalog.entries(self.env())

    def states(self) -> dict[str, str]:
        """What people read of each dump: its stem and its state."""
        return {entry.name.stem: entry.state for entry in self.entries()}

    def files(self) -> dict[str, str]:
        """The SHA-256 of every file in the environment's folder."""
        folder = folder_of(self.env()).path
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
        """The drills of which something is there."""
        return sorted(file.stem for file in self.drills.glob("*.lock"))

    def traces(self, keys: list[str]) -> list[str]:
        """All that is left of drills on this ground: files, the folders of their sockets, processes."""
        found = [str(file) for file in self.drills.glob("*")]
        for private in (Path("/tmp"), Path("/dev/shm")):
            found += [str(private / f"lf-{key}") for key in keys if (private / f"lf-{key}").exists()]
        return found + [str(process) for process in working_in(self.root)]


def take(env: EnvironmentContext, request: BackupRequest | None = None, day: date | None = None) -> Manifest:
    """A backup. One of the very second of another is refused and told to run again: that is done."""
    try:
        return backup.backup(env, request or BackupRequest(), day)
    except Refused as refusal:
        if "of this second" not in refusal.message:
            raise
        time.sleep(1)
        return backup.backup(env, request or BackupRequest(), day)


def prove(env: EnvironmentContext, manifest: Manifest) -> BackupName:
    """Drill that backup to valid, or fail the test with what was found."""
    name = BackupName.of(manifest.dump.file)
    examination = drill.drill(env, name)
    found = [(check.name, check.message) for check in examination.checks if not check.passed]
    assert examination.rung is Rung.VALID, found
    assert examination.proven
    return name


def with_settings(env: EnvironmentContext, **fields: Any) -> EnvironmentContext:
    """The same site with other settings, such as `tools_dir`."""
    return EnvironmentContext(
        replace(env.ctx, settings=env.ctx.settings.model_copy(update=fields)), env.environment
    )


def env_of(
    environment: Environment, root: Path, database: Database, reporter: Reporter | None = None
) -> EnvironmentContext:
    """Any environment, with the database as its own, on the ground below `root`."""
    settings = Settings(
        backup_root=root / "backups",
        state_dir=root / "state",
        environments={environment: {"database_url": builders.url(database)}},
    )
    return EnvironmentContext(OperationContext(settings, reporter or Recorder()), environment)


@contextmanager
def folder(above: Path) -> Iterator[Path]:
    """A new folder below `above`, gone afterwards; an AssertionError if a process is left at work in it."""
    made = above / secrets.token_hex(4)
    made.mkdir(mode=0o711)
    try:
        yield made
    finally:
        left = working_in(made)
        for process in left:
            process.kill()
        shutil.rmtree(made, ignore_errors=True)
    assert not left, f"left running: {left}"


@contextmanager
def sample_copy(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """A fresh copy of the sample database in the session's server."""
    sample = embedded.sample(Environment.TEST)
    server, name = sample.named("postgres"), f"books_{secrets.token_hex(4)}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with server.connect() as connection:
        connection.execute(
            statement.format(sql.Identifier(name), sql.Identifier(sample.parameters["dbname"]))
        )
    try:
        yield server.named(name)
    finally:
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def working_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is in `folder`: a server works in its data folder."""
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def marked(mark: str) -> list[str]:
    """The names of the processes that have `mark` in their environment: of a program and all it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().values():
                found.append(process.name())
        except (psutil.Error, OSError):
            continue
    return found


@dataclass(frozen=True)
class OnServer:
    """A sandbox whose database is on that server."""

    sandbox: Sandbox
    server: Server

    @property
    def database(self) -> Database:
        return self.sandbox.database

    @property
    def name(self) -> str:
        """What the database is called."""
        return self.database.parameters["dbname"]


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for a condition; whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
