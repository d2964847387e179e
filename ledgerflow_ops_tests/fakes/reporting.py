"""A process that reports one finding and ends: `python -m ….reporting ROOT URL SOURCE`."""

import sys
from pathlib import Path

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.progress import SilentReporter
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops_tests import builders

LATE = Finding(Environment.PROD, "late", "", Level.CRITICAL, "The backup is late.", Hint(make("backup")))


def main(root: str, url: str, source: str) -> None:
    settings = builders.settings(Path(root), alerts={"channels": [{"name": "web", "url": url}]})
    alerts.report(OperationContext(settings, SilentReporter()), source, [LATE])


if __name__ == "__main__":
    main(*sys.argv[1:])
