"""A place that alerts are sent to."""

from collections.abc import Iterator

import pytest

from ledgerflow_ops_tests.fakes import sinks
from ledgerflow_ops_tests.fakes.sinks import Web


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server that keeps what is posted to it."""
    with sinks.web() as web:
        yield web
