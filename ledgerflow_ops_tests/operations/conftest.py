"""A folder of backups for each test, and a server to restore into with a field on it.

The field is for tests that change live databases.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops_tests.fakes import sandboxes, servers, targets
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import ReadyTarget, RestoreTarget

_SETTINGS = {"max_prepared_transactions": "2"}


@pytest.fixture
def sandbox(root: Path, books: Database) -> Sandbox:
    """The test's own folders, with the module's copy of the sample for a database."""
    return Sandbox(root, books)


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools(), _SETTINGS) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def ready(session_root: Path, server: Server) -> Iterator[ReadyTarget]:
    """What `field` is copied from, made once for a module: its backup and the proof take a second."""
    root, database = session_root / f"field_{secrets.token_hex(4)}", server.copy_of_books(targets.new_name())
    with targets.ready_target(root, database, server) as ready:
        yield ready


@pytest.fixture
def field(ready: ReadyTarget) -> Iterator[RestoreTarget]:
    with ready.copy() as field:
        yield field
