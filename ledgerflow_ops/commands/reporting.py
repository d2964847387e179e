"""The commands that only look: how it stands, what was done, the report, the figures for Prometheus."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledgerflow_ops.commands.calls import JSON, Call
from ledgerflow_ops.core.environments import Environment

if TYPE_CHECKING:
    from prometheus_client.core import Metric


@click.command()
@JSON
def status(json: bool) -> None:
    """Say what is proven, how far, how old it is, and what is wrong. 1 when something is critical."""
    from ledgerflow_ops.operations.reporting import status as asked
    from ledgerflow_ops.operations.reporting import status_screen

    call = Call(json)
    found = asked.overview(call.ctx, call.envs())
    status_screen.show(found, call.terminal)
    call.terminal.finish(found.as_json())
    sys.exit(1 if found.critical else 0)


@click.command()
@click.option("--since", envvar="SINCE", default="", help="A day (2026-11-01), or how long ago (12h, 7d).")
@click.option("--what", envvar="WHAT", default="", help="Only operations of this kind, such as backup.")
@click.option("--last", envvar="LAST", default=None, type=click.IntRange(min=1), help="The last so many.")
@JSON
def journal(since: str, what: str, last: int | None, json: bool) -> None:
    """Say what was done, when, by whom, why, and how it ended. All environments, or LEDGER_ENV's."""
    from ledgerflow_ops.core.presentation import journal_view as reading
    from ledgerflow_ops.operations import journal as asked
    from ledgerflow_ops.operations.reporting import journal_screen

    call = Call(json)
    named = os.environ.get("LEDGER_ENV")
    only = Environment.parse(named) if named else None
    zone = call.ctx.settings.environments[only or Environment.PROD].zone
    begin = reading.parse_since(since, call.ctx.clock(), zone) if since else None
    found = asked.entries(call.ctx, reading.EntryFilter(str(only or ""), begin, what, last))
    journal_screen.show(found, zone, call.terminal)
    call.terminal.finish({"entries": found})


@click.command()
@click.option("--textfile", envvar="TEXTFILE", default=None, help="Write them to this file (….prom).")
@click.option("--serve", is_flag=True, help="Answer Prometheus on loopback until asked to end.")
@click.option("--port", envvar="PORT", default=0, type=click.IntRange(0, 65535), help="Where to answer.")
@JSON
def metrics(textfile: str | None, serve: bool, port: int, json: bool) -> None:
    """Print the figures for Prometheus, write them to a file, or serve them."""
    from ledgerflow_ops.adapters.services import prometheus_exposition
    from ledgerflow_ops.operations.reporting import metrics as asked

    call = Call(json)

    def families() -> "Iterable[Metric]":
        return asked.metric_families(call.ctx)

    if serve:
        prometheus_exposition.serve_metrics(
            port, families, lambda address: call.terminal.say(f"Figures at {address}")
        )
    elif textfile:
        file = Path(textfile).expanduser().absolute()
        prometheus_exposition.write_textfile(file, families)
        call.terminal.say(f"Written: {file}")
        call.terminal.finish({"file": str(file)})
    elif json:
        call.terminal.finish({"metrics": asked.as_json(families())})
    else:
        sys.stdout.write(prometheus_exposition.render_metrics(families))


@click.command()
@JSON
def report(json: bool) -> None:
    """Write the report, a page of its own with charts, and say where it is."""
    from ledgerflow_ops.operations.reporting import report as asked

    call = Call(json)
    file = asked.write_report(call.ctx)
    call.terminal.say(f"The report is at {file}")
    call.terminal.finish({"file": str(file)})


COMMANDS = (status, journal, report, metrics)
