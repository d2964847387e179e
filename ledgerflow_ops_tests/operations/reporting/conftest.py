"""The browser in which the report is looked at."""

from ledgerflow_ops_tests.fakes.browsers import browser

__all__ = ["browser"]
