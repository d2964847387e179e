"""A backup for the tests that examine one."""

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


@pytest.fixture
def name(sandbox: Sandbox) -> BackupName:
    """A backup of which nothing is proven yet."""
    return BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)
