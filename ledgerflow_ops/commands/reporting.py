"""The commands that only read: status, journal, metrics, report."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledgerflow_ops.commands.calls import ANY_ENV, JSON, Call
from ledgerflow_ops.commands.command_line import Command, option
from ledgerflow_ops.core.environments import Environment

if TYPE_CHECKING:
    from prometheus_client.core import Metric


@click.command(cls=Command, examples=("status", "status --env prod"))
@ANY_ENV
@JSON
def status(json: bool) -> None:
    """Show what is proven, how far, how old it is, and what is wrong.

    With one environment it also lists that environment's backups. Exit code 1 if anything is critical.
    """
    from ledgerflow_ops.operations.reporting import status as operation
    from ledgerflow_ops.operations.reporting import status_screen

    call = Call(json)
    overview = operation.overview(call.ctx, call.envs())
    status_screen.show(overview, call.terminal)
    call.terminal.finish(overview.as_json())
    sys.exit(1 if overview.critical else 0)


@click.command(cls=Command, examples=("journal --since 7d", "journal --env prod --what backup --last 20"))
@ANY_ENV
@option("--since", envvar="SINCE", default="", text="Since this day (2026-11-01) or for this long (12h, 7d).")
@option("--what", envvar="WHAT", default="", text="Only operations of this kind, for example backup.")
@option("--last", envvar="LAST", default=None, type=click.IntRange(min=1), text="Only the last N entries.")
@JSON
def journal(since: str, what: str, last: int | None, json: bool) -> None:
    """Show what was done, when, by whom, why, and the result."""
    from ledgerflow_ops.core.presentation import journal_view
    from ledgerflow_ops.operations import journal as operation
    from ledgerflow_ops.operations.reporting import journal_screen

    call = Call(json)
    named = os.environ.get("LEDGER_ENV")
    only = Environment.parse(named) if named else None
    zone = call.ctx.settings.environments[only or Environment.PROD].zone
    begin = journal_view.parse_since(since, call.ctx.clock(), zone) if since else None
    entries = operation.entries(call.ctx, journal_view.EntryFilter(str(only or ""), begin, what, last))
    journal_screen.show(entries, zone, call.terminal)
    call.terminal.finish({"entries": entries})


@click.command(cls=Command, examples=("metrics", "metrics --textfile /var/lib/node_exporter/ledgerflow.prom"))
@option("--textfile", envvar="TEXTFILE", default=None, text="Write the metrics to this file (….prom).")
@click.option("--serve", is_flag=True, help="Serve the metrics on loopback until interrupted.")
@option(
    "--port", envvar="PORT", default=0, type=click.IntRange(0, 65535), text="The port for --serve; 0: any."
)
@JSON
def metrics(textfile: str | None, serve: bool, port: int, json: bool) -> None:
    """Print the Prometheus metrics, write them to a file, or serve them."""
    from ledgerflow_ops.adapters.services import prometheus_exposition
    from ledgerflow_ops.operations.reporting import metrics as operation

    call = Call(json)

    def families() -> "Iterable[Metric]":
        return operation.metric_families(call.ctx)

    if serve:
        prometheus_exposition.serve_metrics(
            port, families, lambda address: call.terminal.say(f"Metrics at {address}")
        )
    elif textfile:
        file = Path(textfile).expanduser().absolute()
        prometheus_exposition.write_textfile(file, families)
        call.terminal.say(f"Written: {file}")
        call.terminal.finish({"file": str(file)})
    elif json:
        call.terminal.finish({"metrics": operation.as_json(families())})
    else:
        sys.stdout.write(prometheus_exposition.render_metrics(families))


@click.command(cls=Command, examples=("report",))
@JSON
def report(json: bool) -> None:
    """Write the report, a self-contained page with charts, and print where it is."""
    from ledgerflow_ops.operations.reporting import report as operation

    call = Call(json)
    file = operation.write_report(call.ctx)
    call.terminal.say(f"The report is at {file}")
    call.terminal.finish({"file": str(file)})


COMMANDS = (status, journal, report, metrics)
