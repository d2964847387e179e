"""Databases to restore into, and what can be observed of them from outside."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
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
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.restore.restore import RestoreResult
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import killing, sandboxes
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

    def drop_all(self) -> None:
        """Drop the live database and those that restores have made beside it."""
        with self.server.database.connect() as connection:
            for name in self.names():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def kill(self, what: str, where: str, *files: str) -> None:
        """Run an operation, on `files` as well, until it is killed at `where` (see `killed`)."""
        killing.kill_at(what, where, self.sandbox.root, builders.database_url(self.database), *files)

    def is_old(self) -> bool:
        """Whether the live database is the one before the restore, and not the backup."""
        return bool(self.ask(_DESCRIPTION) == "after the backup")


@dataclass(frozen=True)
class ReadyTarget:
    """A target that is made once. Each test gets a copy: the same database and folders, all with their names.

    There is one copy at a time. Its database has another OID, which is accepted as the environment's.
    """

    original: RestoreTarget

    @property
    def template(self) -> str:
        """The name of the database that is copied."""
        return f"ready_{self.original.name}"

    @property
    def folder(self) -> Path:
        """The folder that is copied."""
        root = self.original.sandbox.root
        return root.with_name(f"{root.name}.ready")

    def keep(self) -> None:
        """Set the original aside."""
        self.original.sandbox.root.rename(self.folder)
        with self.original.server.database.connect() as connection:
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(*map(sql.Identifier, (self.original.name, self.template))))

    @contextmanager
    def copy(self) -> Iterator[RestoreTarget]:
        """Lay it out anew; afterwards all is removed. AssertionError if a process still works there."""
        target = self.original
        with sandboxes.removed_afterwards(target.sandbox.root):
            subprocess.run(["cp", "-a", self.folder, target.sandbox.root], check=True)
            target.server.copy(self.template, target.name)
            try:
                identity.check_identity(target.env(), accept=True)
                yield target
            finally:
                target.drop_all()


def sealed_contents(database: Database) -> Seal:
    """All that a database holds, to the byte."""
    with database.connect() as connection:
        return source.read_seal(connection, full=True)


def new_name() -> str:
    """A name for a target's database."""
    return f"books_{secrets.token_hex(4)}"


def new_target(root: Path, database: Database, server: Server, fields: Mapping[str, Any]) -> RestoreTarget:
    """A new target of a database on that server, with these settings of the environment."""
    target = RestoreTarget(Sandbox(root, database, fields), server)
    manifest = sandboxes.take_backup(target.env(), BackupRequest(file="first.dump"))
    sandboxes.prove_backup(target.env(), manifest)
    assert BackupName.of(manifest.dump.file).stem == "first"
    target.ask(MARKED)
    return target


@contextmanager
def restore_target(root: Path, server: Server, **fields: Any) -> Iterator[RestoreTarget]:
    """A new target on a server, dropped afterwards with the databases that restores made beside it."""
    target = new_target(root, server.copy_of_books(new_name()), server, fields)
    try:
        yield target
    finally:
        target.drop_all()


@contextmanager
def ready_target(root: Path, database: Database, server: Server, **fields: Any) -> Iterator[ReadyTarget]:
    """A new target of a database below `root`, to be copied for each test of a server."""
    root.mkdir(mode=0o711, exist_ok=True)
    ready = ReadyTarget(new_target(root, database, server, fields))
    ready.keep()
    try:
        yield ready
    finally:
        with server.database.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(ready.template)))
        shutil.rmtree(ready.folder)
