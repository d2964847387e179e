"""One set of servers for these tests: starting them is what takes the time. It ends with the last of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops_tests.e2e import commands
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.e2e.pages import address, backup, page, session
from ledgerflow_ops_tests.fakes import contained as containers
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.browsers import browser
from ledgerflow_ops_tests.fakes.contained import ContainerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine

__all__ = ["address", "backup", "browser", "page", "session"]


@pytest.fixture(scope="package")
def dev(session_root: Path) -> Iterator[Shell]:
    """A shell in which LEDGER_ENV is dev, with the sample for a database. Any test may start its servers."""
    with commands.shell(session_root, LEDGER_ENV="dev") as found:
        yield found


@pytest.fixture
def contained(engine: Engine, session_root: Path) -> Iterator[ContainerSandbox]:
    """LedgerFlow in a container of the engine, and how its settings name it."""
    with (
        sandboxes.temporary_folder(session_root) as folder,
        containers.container_sandbox(engine, folder) as found,
    ):
        yield found
