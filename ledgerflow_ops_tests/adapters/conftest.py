"""What the adapters' tests share."""

import pytest

from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.operations.embedded import Embedded


@pytest.fixture(scope="session")
def embedded_server(embedded: Embedded) -> Database:
    """The session's server: its superuser's own database."""
    return embedded.start()
