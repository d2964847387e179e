"""Stands in until the watch is merged."""

from ledgerflow_ops.core.alerts import Finding
from ledgerflow_ops.operations.desk import Desk, Site


def look(_site: Site) -> list[Finding]:
    return []


def machine(_desk: Desk) -> list[Finding]:
    return []
