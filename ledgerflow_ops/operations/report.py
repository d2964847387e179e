"""Writes the report: how everything stands, and how it came to it, as one file for a browser."""

from pathlib import Path

from ledgerflow_ops.adapters import records
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations import status
from ledgerflow_ops.operations.desk import Desk
from ledgerflow_ops.operations.status import Overview

NAME = "report.html"


def folder(desk: Desk) -> Path:
    return desk.settings.state_dir / "reports"


def write(desk: Desk, found: Overview | None = None) -> Path:
    """Write it in the place of the last one, for its owner's eyes alone; the file."""
    from ledgerflow_ops.operations import page  # pandas and altair: a second

    return records.write(folder(desk), NAME, page.html(found or look(desk)))


def look(desk: Desk) -> Overview:
    """How all environments stand, the one that matters most first."""
    return status.overview(desk, [desk.site(environment) for environment in reversed(Environment)])
