"""The real program in a process of its own, as a person at a terminal starts it."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_PROGRAM = Path(sys.executable).parent / "ledgerflow"
PATIENCE = 120
"""Seconds. On a busy machine the first command, which makes Dagster's tables, takes more than a minute."""


@dataclass(frozen=True)
class Commands:
    """`ledgerflow` on a ground, with Dagster's records in `storage`."""

    sandbox: Sandbox
    storage: Database
    variables: dict[str, str] = field(default_factory=dict)

    def start(
        self, *arguments: str, program: Sequence[str] = (str(_PROGRAM),), **variables: str
    ) -> subprocess.Popen[str]:
        """Begin a command; its words and its JSON come through pipes."""
        known = {
            "LEDGER_ENV": "dev",
            "LEDGER_BACKUP_ROOT": str(self.sandbox.root / "backups"),
            "LEDGER_STATE_DIR": str(self.sandbox.root / "state"),
            "LEDGER_DEV_DATABASE_URL": builders.database_url(self.sandbox.database),
            "LEDGER_DAGSTER_DATABASE_URL": builders.database_url(self.storage),
        }
        return subprocess.Popen(
            [*program, *arguments],
            env={**os.environ, **known, **self.variables, **variables},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> "Finished":
        """Carry a command out to its end."""
        return ended(self.start(*arguments, **variables))


@dataclass(frozen=True)
class Finished:
    """A command that has ended: its exit code and all that it printed."""

    code: int
    out: str
    errors: str

    @property
    def words(self) -> str:
        return self.out + self.errors

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        return dict(json.loads(self.out))


def ended(child: subprocess.Popen[str]) -> Finished:
    """Wait for a command to end; one that does not is killed, and the test fails."""
    try:
        out, errors = child.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    return Finished(child.returncode, out, errors)


@contextmanager
def storage(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """An empty database for Dagster's records, in the session's server."""
    server, name = embedded.start(), f"records_{secrets.token_hex(4)}"
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield server.named(name)
    finally:
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
