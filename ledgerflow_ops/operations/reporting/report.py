"""Writes the report: how everything stands, and how it came to it, as one file for a browser."""

from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.reporting.status import Overview

FILE_NAME = "report.html"


def reports_folder(ctx: OperationContext) -> Path:
    return ctx.settings.state_dir / "reports"


def write_report(ctx: OperationContext, found: Overview | None = None) -> Path:
    """Write it in the place of the last one, for its owner's eyes alone; the file."""
    from ledgerflow_ops.operations.reporting import html_page  # pandas and altair: a second

    return durable_record.write(reports_folder(ctx), FILE_NAME, html_page.render_page(found or overview(ctx)))


def overview(ctx: OperationContext) -> Overview:
    """How all environments stand, the one that matters most first."""
    return status.overview(ctx, [ctx.env(environment) for environment in reversed(Environment)])
