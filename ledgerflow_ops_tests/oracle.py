"""An independent check of an archive, by PostgreSQL's own programs: does it equal its source?"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledgerflow_ops.adapters.cluster.scratch_cluster import scratch_cluster
from ledgerflow_ops.adapters.cluster.server_home import ServerHome
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs.client_tools import Tools


@dataclass
class Oracle:
    """A server with the source's roles, into which plain pg_restore restores, and plain pg_dump reads it."""

    place: ServerHome
    tools: Tools
    source: Database
    server: Database
    numbers: Iterator[int] = field(default_factory=itertools.count)
    reference: bytes = b""
    roles: bytes = b""
    made: list[bytes] = field(default_factory=list)

    def prepare(self, folder: Path) -> None:
        """Take the reference: what an undamaged archive of the source is, once restored.

        Not the source's own text: the server prints some expressions differently once they were restored.
        """
        self.roles = self.run("pg_dumpall", self.source, "--globals-only", "--no-role-passwords")
        self.run("psql", self.server, "--quiet", feed=self.roles)
        plain = folder / "plain.dump"
        self.run("pg_dump", self.source, "--format=custom", f"--file={plain}")
        text = self.text_of(plain)
        assert text is not None
        assert text == self.text_of(plain), "two restores of one archive differ: the oracle is not one"
        assert len(text) > 0.9 * len(self.run("pg_dump", self.source, "--restrict-key=x"))
        self.reference = text

    def same(self, archive: Path) -> bool:
        """Whether the archive restores to what the source is."""
        return self.text_of(archive) == self.reference

    def same_roles(self, script: bytes) -> bool:
        """Whether the script, run in a new server, makes the source's roles."""
        if not self.made:
            self.made = self._roles_made(self.roles)
        return self._roles_made(script) == self.made

    def _roles_made(self, script: bytes) -> list[bytes]:
        bootstrap = self.source.parameters["user"]
        with scratch_cluster(self.place, self.tools, bootstrap, "UTF8") as fresh:
            self.run("psql", fresh.server, "--quiet", feed=script)
            made = self.run("pg_dumpall", fresh.server, "--globals-only")
        return [line for line in made.splitlines() if not line.startswith((b"--", b"\\"))]

    def text_of(self, archive: Path) -> bytes | None:
        """What plain pg_restore makes of the archive, as plain pg_dump writes it; None if it fails."""
        copy = self.server.named(f"copy_{next(self.numbers)}")
        name = copy.parameters["dbname"]
        with self.server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        try:
            self.run("pg_restore", copy, "--exit-on-error", f"--dbname={name}", archive)
            return self.run("pg_dump", copy, "--restrict-key=x")
        except subprocess.CalledProcessError:
            return None
        finally:
            with self.server.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def run(self, program: str, database: Database, *arguments: object, feed: bytes = b"") -> bytes:
        """What a program of PostgreSQL's, led to `database`, prints; CalledProcessError if it fails."""
        words = {"dbname": "PGDATABASE", "user": "PGUSER", "host": "PGHOST", "port": "PGPORT"}
        variables = {words.get(key, "PGPASSWORD"): value for key, value in database.parameters.items()}
        return subprocess.run(
            [self.tools.path(program), *map(str, arguments)],
            env={**os.environ, **variables},
            input=feed,
            capture_output=True,
            check=True,
        ).stdout


@contextmanager
def oracle(place: ServerHome, tools: Tools, source: Database, folder: Path) -> Iterator[Oracle]:
    """An oracle on `source`; `folder` is for its files. Its server is gone when the block ends."""
    with scratch_cluster(place, tools, source.parameters["user"], "UTF8") as server:
        found = Oracle(place, tools, source, server.server)
        found.prepare(folder)
        yield found
