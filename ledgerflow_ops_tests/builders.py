"""Builds what tests need from real parts: settings, contexts, reporters, folders."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledgerflow_ops import sample
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, Step
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Recorder:
    """A Reporter that records everything; `moves` without the bytes that the seal has read."""

    steps: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)
    counts: list[tuple[int, int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def moved(self, done: int, expected: int | None) -> None:
        if self.steps[-1:] != [Step.SEAL]:
            self.moves.append(done)

    def counted(self, done: int, of: int, what: str) -> None:
        self.counts.append((done, of, what))

    def say(self, message: str) -> None:
        self.said.append(message)

    def printed(self, line: str) -> None:
        self.lines.append(line)


def backup_folder_of(env: EnvironmentContext) -> Folder:
    """The folder of an environment's backups, for tests that inspect or damage its files."""
    path = env.store.root()
    assert path
    return Folder(path)


def history_folder_of(env: EnvironmentContext) -> Folder:
    """The folder with the history of what rotation has removed."""
    return Folder(backup_folder_of(env).path / removal_history.FOLDER)


def new_folder(root: Path) -> Path:
    """A new folder below `root`."""
    path = root / secrets.token_hex(4)
    path.mkdir(mode=0o711)
    return path


def database_url(database: Database) -> str:
    """The database's URL, as in the settings."""
    return database.sqlalchemy_url().replace("+psycopg2", "")


def settings(root: Path, database: Database | None = None, **fields: Any) -> Settings:
    """Settings whose folders lie below `root`; `dev` has `database` and the sample's data rules.

    `fields` are further settings: those of the machine, such as `drill_in_memory_below=0`, and those
    of `dev`, such as `size_floor=1`.
    """
    machine = {name: value for name, value in fields.items() if name in Settings.model_fields}
    dev: dict[str, Any] = {name: value for name, value in fields.items() if name not in machine}
    if database:
        dev["database_url"] = database_url(database)
        dev.setdefault(
            "rules", [{"name": rule.name, "sql": rule.sql, "expect": rule.expect} for rule in sample.RULES]
        )
    machine |= {"backup_root": root / "backups", "state_dir": root / "state"}
    return Settings(environments={Environment.DEV: dev}, **machine)


def env(
    root: Path,
    database: Database | None = None,
    *,
    environment: Environment = Environment.DEV,
    reporter: Reporter | None = None,
    now: Any = clock.now,
    **fields: Any,
) -> EnvironmentContext:
    """An environment's context for operations, which a test asks for."""
    run = RunFacts(run_id="test-run", who="tests", why="a test")
    ctx = OperationContext(settings(root, database, **fields), reporter or Recorder(), now, run)
    return ctx.env(environment)
