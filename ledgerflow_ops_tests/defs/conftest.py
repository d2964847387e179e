"""Dagster with its real storage, PostgreSQL, and an environment whose database is the sample's copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.defs import storage
from ledgerflow_ops_tests.defs.benches import Bench


@pytest.fixture(scope="session")
def template(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[str]:
    """A storage with Dagster's tables and nothing in them: making one takes seconds, a copy does not."""
    with storage.fresh(embedded.start()) as made:
        with Bench(session_root, made).instance():
            pass
        storage.disconnect(made)
        yield made.parameters["dbname"]


@pytest.fixture(autouse=True)
def no_instance_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which instance a test uses is its own affair."""
    for name in ("DAGSTER_HOME", "LEDGERFLOW_STORAGE_URL"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def bench(root: Path, embedded: EmbeddedPostgres, template: str, database: Database) -> Iterator[Bench]:
    """A storage and folders of the test's own."""
    with storage.fresh(embedded.start(), template) as dagster:
        yield Bench(root, dagster, database)


@pytest.fixture
def env(bench: Bench) -> EnvironmentContext:
    """The dev environment of that bench."""
    return bench.env()
