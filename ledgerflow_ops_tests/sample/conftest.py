"""An empty database for the tests of the sample, on a throw-away server of the project's own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.cluster.scratch_cluster import scratch_cluster
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops_tests import builders


@pytest.fixture(scope="session")
def scratch_server(session_root: Path) -> Iterator[Database]:
    """A fast server: what the sample is made of does not depend on durability."""
    place = make_server_home(session_root / "sample")
    with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8") as server:
        yield server.server


@pytest.fixture
def empty_database(scratch_server: Database) -> Iterator[str]:
    """The URL of a new empty database, for a superuser."""
    name = f"sample_{secrets.token_hex(4)}"
    with scratch_server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        yield builders.database_url(scratch_server.named(name))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
