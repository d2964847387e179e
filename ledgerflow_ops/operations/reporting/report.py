"""Writes the report of all environments, with their history, as one HTML file."""

from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.reporting import html_page, status
from ledgerflow_ops.operations.reporting.status import Overview

FILE_NAME = "report.html"


def reports_folder(ctx: OperationContext) -> Path:
    return ctx.settings.state_dir / "reports"


def write_report(ctx: OperationContext, shown: Overview | None = None) -> Path:
    """Write the report over the last one, readable by its owner only; returns the file."""
    return durable_record.write(reports_folder(ctx), FILE_NAME, html_page.render_page(shown or overview(ctx)))


def overview(ctx: OperationContext) -> Overview:
    """The status of all environments, prod first."""
    return status.overview(ctx, [ctx.env(environment) for environment in reversed(Environment)])
