"""A real PostgreSQL for the session, real files for each test, and nothing left behind."""

import gc
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders, hypothesis_profiles
from ledgerflow_ops_tests.fakes import engine as engines
from ledgerflow_ops_tests.fakes import object_servers, sandboxes
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.object_servers import AzureServer, S3Server

PROJECT = Path(__file__).parents[1]
_SERVERS = {"embedded", "engine", "s3_server", "azure_server"}
"""The fixtures that start a PostgreSQL, a Docker engine or an object store."""
_MEMORY = Path("/dev/shm")
_ENOUGH = 8 << 30
"""Bytes. The scratch folders of one worker hold less than 1 GB at any time."""
_FOR_THE_TESTS = ("LEDGERFLOW_SCREENSHOTS", "LEDGERFLOW_REGRESS")

hypothesis_profiles.register()


def pytest_configure(config: pytest.Config) -> None:
    """No setting, no PG* and no Docker variable of the person who runs the tests reaches them.

    Nor do signals that are ignored: a shell does that to what it starts in the background, and every program
    that the tests start would inherit it. Bytecode is kept, whatever the person's environment says: pytest
    takes seven seconds to rewrite the asserts of all modules, and every command that a test runs would
    compile the product again.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    for name in list(os.environ):
        theirs = name.startswith(("LEDGER_", "LEDGERFLOW_", "PG", "DAGSTER_", "DOCKER_", "COMPOSE_"))
        if theirs and name not in _FOR_THE_TESTS:
            del os.environ[name]
    for name in (
        "FILE",
        "DRILL",
        "SEAL",
        "WHY",
        "JSON",
        "ACCEPT",
        "FULL",
        "DRY_RUN",
        "CONFIRM",
        "FROM_ENV",
        "NAME",
        "FORCE",
        "DAY",
        "FROM",
        "TO",
        "QUIET",
        "REASON",
        "UNTIL",
        "SINCE",
        "WHAT",
        "LAST",
        "VERSION",
        "TEXTFILE",
        "PORT",
        "INTO",
        "CREATE",
        "DRILL",
    ):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run programs as a person would, or are slow, come first: they take the longest to end.

    What needs a server or an engine is marked by its fixtures, so that `make quick` can leave it out.
    """
    first = {item.path for item in items if {"e2e", "slow"} & {mark.name for mark in item.iter_markers()}}
    items.sort(key=lambda item: (item.path not in first, item.get_closest_marker("e2e") is None))
    for item in items:
        if _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no collection of garbage looks at it again."""
    gc.freeze()


@pytest.fixture(scope="session")
def session_root() -> Iterator[Path]:
    """A folder that every account on the machine can pass through (PostgreSQL does not run as root).

    In memory, where there is enough of it: hundreds of servers and thousands of synced files are made here.
    """
    root = Path(tempfile.mkdtemp(prefix=f"lft-{os.getpid()}-", dir=_scratch_disk()))
    root.chmod(0o711)
    yield root
    shutil.rmtree(root, ignore_errors=True)


def _scratch_disk() -> Path:
    """Where scratch folders are made. Those of runs that were killed are removed from memory first."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return Path("/tmp")
    for left in _MEMORY.glob("lft-*-*"):
        if not psutil.pid_exists(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    free = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return _MEMORY if free > _ENOUGH else Path("/tmp")


@pytest.fixture(scope="session", autouse=True)
def empty_settings(session_root: Path) -> None:
    """The project's own ledgerflow.toml, if there is one, is not the tests'."""
    file = session_root / "empty.toml"
    file.touch()
    os.environ["LEDGER_CONFIG"] = str(file)


@pytest.fixture(scope="session")
def embedded(session_root: Path) -> Iterator[EmbeddedPostgres]:
    """The embedded server, started once for the session. Its data need not survive a power cut."""
    server = EmbeddedPostgres(session_root / "server")
    with server.start().named("postgres").connect() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def engine(session_root: Path) -> Iterator[Engine]:
    """A real Docker engine with the image `postgres:17` in it, started once for the session."""
    with engines.engine(session_root / "image.tar") as started:
        yield started


@pytest.fixture(scope="session")
def s3_server(session_root: Path) -> Iterator[S3Server]:
    """A real S3 server, started once for the session."""
    with object_servers.s3_server(session_root / "s3") as started:
        yield started


@pytest.fixture(scope="session")
def azure_server(session_root: Path) -> Iterator[AzureServer]:
    """A server that speaks as Azure's blob service does, started once for the session."""
    with object_servers.azure_server(session_root / "azure") as started:
        yield started


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: into the documentation when asked for, else where they are forgotten."""
    if os.environ.get("LEDGERFLOW_SCREENSHOTS") == "1":
        return PROJECT / "docs" / "images"
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def root(session_root: Path) -> Iterator[Path]:
    """A test's own folder; fails the test that leaves a process at work in it."""
    folder = session_root / secrets.token_hex(4)
    folder.mkdir(mode=0o711)
    yield folder
    left = [found for found in psutil.process_iter() if _works_in(found, folder)]
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"left running: {left}"


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


@pytest.fixture
def database(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """A fresh copy of the sample LedgerFlow database, not known as the sample."""
    with sandboxes.sample_copy(embedded) as database:
        yield database


@pytest.fixture(scope="module")
def books(embedded: EmbeddedPostgres) -> Iterator[Database]:
    """A copy of the sample for all tests of a module: they leave it as it is, or know what they change."""
    with sandboxes.sample_copy(embedded) as database:
        yield database


@pytest.fixture
def env(root: Path, database: Database) -> EnvironmentContext:
    """The dev environment of that database."""
    return builders.env(root, database)
