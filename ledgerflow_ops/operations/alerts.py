"""Stands in until alerts are merged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ledgerflow_ops.core.alerts import Finding
from ledgerflow_ops.operations.desk import Desk


@dataclass(frozen=True, slots=True)
class Alert:
    source: str
    finding: Finding
    since: datetime
    missed: Mapping[str, datetime] = field(default_factory=dict)


def open_alerts(_desk: Desk) -> list[Alert]:
    return []
