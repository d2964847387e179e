"""An empty database for the tests of the sample, on a throw-away server of the project's own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters import tools
from ledgerflow_ops.adapters.lodging import lodging
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.throwaway import throwaway
from ledgerflow_ops_tests import builders


@pytest.fixture(scope="session")
def scratch_server(session_root: Path) -> Iterator[Database]:
    """A fast server: what the sample is made of does not depend on durability."""
    place = lodging(session_root / "sample")
    with throwaway(place, tools.bundled(), "postgres", "UTF8") as server:
        yield server.server


@pytest.fixture
def empty_database(scratch_server: Database) -> Iterator[str]:
    """The URL of a new empty database, for a superuser."""
    name = f"sample_{secrets.token_hex(4)}"
    with scratch_server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        yield builders.url(scratch_server.named(name))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
