"""A backup for the tests that examine one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


@pytest.fixture(scope="module")
def taken(session_root: Path, books: Database) -> Iterator[Sandbox]:
    """Folders with one backup, taken once for a module."""
    with sandboxes.temporary_folder(session_root) as root:
        sandbox = Sandbox(root, books)
        sandboxes.take_backup(sandbox.env())
        yield sandbox


@pytest.fixture
def name(sandbox: Sandbox, taken: Sandbox) -> BackupName:
    """A backup of which nothing is proven yet, in a copy of those folders."""
    subprocess.run(["cp", "-a", f"{taken.root}/.", sandbox.root], check=True)
    (entry,) = sandbox.entries()
    return entry.name
