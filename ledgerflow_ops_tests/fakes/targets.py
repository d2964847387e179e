"""Databases to restore into, and what can be observed of them from outside."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.restore.restore import RestoreResult
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox, ServerSandbox
from ledgerflow_ops_tests.fakes.servers import Server

MARKED = "UPDATE public.profiles_transaction SET description = 'after the backup' WHERE id = 1"
"""A change that distinguishes the live database from the backup first.dump."""
_DESCRIPTION = "SELECT description FROM public.profiles_transaction WHERE id = 1"


@dataclass(frozen=True)
class RestoreTarget(ServerSandbox):
    """A sandbox whose database has a proven backup, first.dump, and was changed since."""

    def env(self, *arguments: Any, **fields: Any) -> EnvironmentContext:
        return self.sandbox.env(*arguments, **fields)

    def restore(self, file: str = "first.dump", *, force: bool = True, **fields: Any) -> RestoreResult:
        return restore.restore(
            self.env(**fields), RestoreRequest(environment=Environment.DEV, file=file, force=force)
        )

    def ask(self, query: str, database: str | None = None) -> Any:
        """The first value of a query's result; None without a row."""
        with (self.database.named(database) if database else self.database).connect() as connection:
            cursor = connection.execute(query.encode())
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def seal(self, database: str | None = None) -> Seal:
        return sealed_contents(self.database.named(database) if database else self.database)

    def names(self) -> list[str]:
        """The names of this database and of those that a restore has made beside it."""
        with self.server.database.connect() as connection:
            rows = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        return [name for (name,) in rows if name == self.name or name.startswith(f"{self.name[:20]}__")]

    def drop(self) -> None:
        """Drop the live database, whoever is connected to it."""
        with self.server.database.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def kill(self, what: str, where: str, *files: str) -> None:
        """Run an operation, on `files` as well, until it is killed at `where` (see `killed`)."""
        command = [sys.executable, "-m", "ledgerflow_ops_tests.fakes.killed", what, where]
        finished = subprocess.run(
            [*command, str(self.sandbox.root), builders.database_url(self.database), *files],
            cwd=PROJECT,
            env=os.environ,
            capture_output=True,
            timeout=60,
            check=False,
        )
        message = f"the fault at {where!r} never fired:\n{finished.stderr!r}"
        assert finished.returncode == -signal.SIGKILL, message

    def is_old(self) -> bool:
        """Whether the live database is the one before the restore, and not the backup."""
        return bool(self.ask(_DESCRIPTION) == "after the backup")


def sealed_contents(database: Database) -> Seal:
    """All that a database holds, to the byte."""
    with database.connect() as connection:
        return source.read_seal(connection, full=True)


@contextmanager
def restore_target(root: Path, server: Server, **fields: Any) -> Iterator[RestoreTarget]:
    """A new target on a server, dropped afterwards with the databases that restores made beside it."""
    database = server.copy_of_books(f"books_{secrets.token_hex(4)}")
    found = RestoreTarget(Sandbox(root, database, fields), server)
    env = found.env()
    manifest = sandboxes.take_backup(env, BackupRequest(file="first.dump"))
    sandboxes.prove_backup(env, manifest)
    assert BackupName.of(manifest.dump.file).stem == "first"
    found.ask(MARKED)
    try:
        yield found
    finally:
        with server.database.connect() as connection:
            for left in found.names():
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(left))
                connection.execute(drop)
