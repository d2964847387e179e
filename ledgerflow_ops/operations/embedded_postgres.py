"""The bundled PostgreSQL server: it holds Dagster's storage and the sample databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import filelock
from psycopg import sql

from ledgerflow_ops import sample
from ledgerflow_ops.adapters.cluster.cluster import Cluster, free_port, new_password
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError

_SUPERUSER = "ledgerflow"
_ATTEMPTS = 3
_INITDB_OPTIONS = {"locale": "C", "set": "scram_iterations=1"}
"""Options of initdb. One SCRAM iteration is enough for a password of 192 random bits, and saves time in the
150 connections that Dagster makes in a run."""
_SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %d ",
}


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """The embedded server of one state folder. It listens on loopback only, with a password of its own."""

    state_dir: Path

    @property
    def cluster(self) -> Cluster:
        place = make_server_home(self.state_dir)
        return Cluster(place.root / "embedded", place.programs(client_tools.bundled_tools()), place.account)

    @property
    def running(self) -> bool:
        return self.cluster.postmaster() is not None

    def start(self) -> Database:
        """The server's maintenance database. The server is started, and made the first time, if needed."""
        cluster = self.cluster
        if not (cluster.made and cluster.postmaster()):
            with self._alone():
                if not cluster.made:
                    cluster.make(
                        _SUPERUSER, encoding="UTF8", options=_INITDB_OPTIONS, password=self._new_password()
                    )
                if not cluster.postmaster():
                    self._start(cluster)
        return self._database(cluster)

    def stop(self) -> bool:
        """Stop the server; returns whether it was running."""
        with self._alone():
            was_running = self.running
            self.cluster.stop()
        return was_running

    def dagster(self) -> Database:
        """The database for Dagster's storage, made if needed."""
        return self._made("dagster", lambda database: None)

    def sample(self, environment: Environment) -> Database:
        """The sample LedgerFlow database of an environment, made and filled if needed."""

        def fill(database: Database) -> None:
            with database.connect() as connection:
                sample.install(connection)

        return self._made(_sample_name(environment), fill)

    def named(self, environment: Environment) -> Database:
        """The sample database of an environment, which need not exist."""
        return self.start().named(_sample_name(environment))

    def _made(self, name: str, fill: Callable[[Database], None]) -> Database:
        """The database `name`. It is made under another name, filled, then renamed: never half-filled."""
        server = self.start()
        with server.connect() as connection:
            if _exists(connection, name):
                return server.named(name)
        with self._alone(), server.connect() as connection:
            if not _exists(connection, name):
                unfinished = f"{name}__unfinished"
                connection.execute(_statement("DROP DATABASE IF EXISTS {}", unfinished))
                connection.execute(_statement("CREATE DATABASE {} TEMPLATE template0", unfinished))
                fill(server.named(unfinished))
                connection.execute(_statement("ALTER DATABASE {} RENAME TO {}", unfinished, name))
        return server.named(name)

    def _start(self, cluster: Cluster) -> None:
        """Start on the previous port, which a running webserver may use, or on another if that is taken."""
        ports = [*self._remembered_port(cluster), *(free_port() for _ in range(_ATTEMPTS))]
        for attempt, port in enumerate(ports, start=1):
            try:
                cluster.start({**_SERVER_SETTINGS, "port": str(port)})
                return
            except LedgerError:
                if attempt == len(ports):
                    raise

    def _remembered_port(self, cluster: Cluster) -> list[int]:
        try:
            lines = (cluster.data / "ledgerflow.conf").read_text().splitlines()
            return [int(line.split("'")[1]) for line in lines if line.startswith("port ")]
        except (OSError, ValueError, IndexError):
            return []

    def _database(self, cluster: Cluster) -> Database:
        port = (cluster.data / "postmaster.pid").read_text().splitlines()[3]
        return Database(
            {
                "host": "127.0.0.1",
                "port": port,
                "user": _SUPERUSER,
                "dbname": "postgres",
                "password": self._password_file.read_text(),
            }
        )

    @property
    def _password_file(self) -> Path:
        return self.state_dir / "embedded.password"

    def _new_password(self) -> str:
        password = new_password()
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password)
        return password

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        with filelock.FileLock(self.state_dir / "embedded.lock", mode=0o600):
            yield


def _sample_name(environment: Environment) -> str:
    return f"ledgerflow_{environment}"


def _exists(connection: Connection, name: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount)


def _statement(text: LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def dagster_storage(settings: Settings) -> Database:
    """The database of Dagster's storage: the one that the settings name, or one of the embedded server.

    LedgerError when it cannot be reached.
    """
    url = settings.dagster_url
    if url is None:
        return EmbeddedPostgres(settings.state_dir).dagster()
    database = Database.from_address(url, "dagster_database_url")
    with database.connect():  # Dagster itself would retry for long and then end with a traceback
        return database
