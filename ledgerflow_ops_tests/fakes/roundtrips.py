"""A database's backup and restore, with pg_dump's text to compare the results."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest, RollbackRequest
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops.operations.restore.restore import RestoreResult
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox, ServerSandbox
from ledgerflow_ops_tests.fakes.servers import Server


@dataclass(frozen=True)
class Case(ServerSandbox):
    """A database that psql made from a script, on a server that stands for the environment's own."""

    tools: Tools

    def psql(self, script: str) -> None:
        """Run a script; the first error fails the test."""
        quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
        self.run("psql", *quiet, feed=script.encode())

    def text(self, *, ordered: bool = True) -> bytes:
        """The database as pg_dump writes it; unordered for rows that a load may put elsewhere.

        Then lines are sorted, and each line's values: partitions may have their columns in any order.
        """
        text = self.run("pg_dump", "--restrict-key=x")
        if ordered:
            return text
        return b"\n".join(sorted(b"\t".join(sorted(line.split(b"\t"))) for line in text.splitlines()))

    def ask(self, query: str) -> object:
        """The first value that a query gives, asked so that no event trigger fires."""
        out = self.run("psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={query}")
        return out.decode().strip()

    def run(self, program: str, *arguments: str, feed: bytes = b"") -> bytes:
        """What a program of PostgreSQL's prints, led to the database and firing no event trigger there."""
        database = self.database
        if self.tools.major >= 17:
            database = database.without_event_triggers()
        words = {"dbname": "PGDATABASE", "user": "PGUSER", "host": "PGHOST", "port": "PGPORT"}
        words["options"] = "PGOPTIONS"
        variables = {words[key]: value for key, value in database.parameters.items()}
        finished = subprocess.run(
            [self.tools.path(program), *arguments],
            env={**os.environ, **variables},
            input=feed,
            capture_output=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr.decode()
        return finished.stdout

    def backup(self) -> BackupName:
        """A backup called first.dump, not proven yet."""
        manifest = sandboxes.take_backup(self.sandbox.env(rules=[]), BackupRequest(file="first.dump"))
        return BackupName.of(manifest.dump.file)

    def restored(self) -> RestoreResult:
        """Restore first.dump by force: it has to take place, and no check afterwards to be bad."""
        restored = restore.restore(
            self.sandbox.env(rules=[]),
            RestoreRequest(environment=Environment.DEV, file="first.dump", force=True),
        )
        assert restored.bad is None, restored.bad
        return restored

    def roundtrip(self, change: str, *, ordered: bool = True) -> RestoreResult:
        """Backup, drill, `change`, forced restore, rollback; pg_dump's text decides at each point."""
        before = self.text(ordered=ordered)
        manifest = sandboxes.take_backup(self.sandbox.env(rules=[]), BackupRequest(file="first.dump"))
        sandboxes.prove_backup(self.sandbox.env(rules=[]), manifest)
        assert self.text(ordered=ordered) == before, "the backup changed its source"
        self.psql(change)
        changed = self.text(ordered=ordered)
        assert changed != before
        restored = self.restored()
        assert self.text(ordered=ordered) == before
        rollback.rollback(self.sandbox.env(rules=[]), RollbackRequest(environment="dev"))
        assert self.text(ordered=ordered) == changed
        return restored


@contextmanager
def case(
    root: Path, server: Server, tools: Tools, name: str, script: str, options: str = ""
) -> Iterator[Case]:
    """A database made by a script of psql's, gone afterwards with all that stands beside it."""
    with server.database.connect() as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 " + options)
        connection.execute(create.format(sql.Identifier(name)))
    roundtrip_case = Case(Sandbox(root, server.database.named(name)), server, tools)
    try:
        roundtrip_case.psql(script)
        yield roundtrip_case
    finally:
        with server.database.connect() as connection:
            listed = connection.execute("SELECT datname FROM pg_database").fetchall()
            for (database,) in listed:
                if database == name or database.startswith(f"{name[:20]}__"):
                    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
                    connection.execute(drop)
