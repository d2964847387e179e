"""An environment whose PostgreSQL runs in a container, with the sample in a database of the test's own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops import sample
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import ledgerflow
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.ledgerflow import Project

DESCRIPTION = "SELECT description FROM public.profiles_transaction WHERE id = 1"
_RULES = [{"name": rule.name, "sql": rule.sql, "expect": rule.expect} for rule in sample.RULES]


@dataclass(frozen=True)
class ContainerSandbox:
    """A running project, and the folder that contains its backups and our state."""

    project: Project
    root: Path
    database: str

    def compose(self, **fields: Any) -> dict[str, Any]:
        """The setting `compose` for this database."""
        known = {
            "project": self.project.name,
            "file": str(self.project.file),
            "service": "postgres",
            "env_file": str(self.project.env_file),
            "database": self.database,
        }
        return {**known, **fields}

    def env(
        self, reporter: Any = None, compose: dict[str, Any] | None = None, **fields: Any
    ) -> EnvironmentContext:
        """The dev environment, reached through its container."""
        settings = self.compose(**(compose or {}))
        return builders.env(self.root, reporter=reporter, compose=settings, **{"rules": _RULES, **fields})

    def ask(self, statement: str) -> str:
        return self.project.psql(statement, self.database)

    def fresh(self, root: Path) -> "ContainerSandbox":
        """The same project with a copy of this database, and `root` for the folders."""
        name = f"books_{secrets.token_hex(4)}"
        self.project.psql(f"CREATE DATABASE {name} TEMPLATE {self.database}", "postgres")
        return replace(self, root=root, database=name)

    def names(self) -> list[str]:
        """The names of this database and of those that a restore has made beside it."""
        like = f"SELECT datname FROM pg_database WHERE datname LIKE '{self.database[:14]}%' ORDER BY 1"
        return self.project.psql(like, "postgres").split()

    def at_work(self) -> list[str]:
        """Our programs in the container, and our sessions on its server."""
        shells = ("sh -c", "bash -c", "pg_dump", "pg_restore", "cat", "read")
        sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ledgerflow_ops'"
        programs = [line for line in self.project.processes() if line.startswith(shells)]
        return programs + self.project.psql(sessions, "postgres").split()


@contextmanager
def container_sandbox(engine: Engine, folder: Path) -> Iterator[ContainerSandbox]:
    """LedgerFlow's dev project with PostgreSQL running and the sample in it; the engine is empty afterwards.

    Calls of docker reach this engine meanwhile. The server must not have lost a process: it would have ended
    every session of the database and recovered.
    """
    project = ledgerflow.project(engine, folder, "dev")
    sandbox = ContainerSandbox(project, folder, project.database)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment().items():
            patch.setenv(name, value)
        try:
            project.up("postgres")
            with sandbox.env().database().connect() as connection:
                sample.install(connection)
            yield sandbox
            log = engine.docker("logs", project.container).stderr.decode()
            assert "terminating any other active server processes" not in log, log
        finally:
            engine.clear()


def processes_with(needle: str) -> list[str]:
    """The command lines of this machine's processes that contain `needle`, without our own pytest."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if needle in line:
                lines.append(line)
    return lines
