"""All commands as one program.

Every option can also be given as the environment variable of the same name; make passes variables.
"""

import platform
import signal
from importlib.metadata import version

import click

from ledgerflow_ops.adapters.system.interruptions import redeliver_lost_interruptions
from ledgerflow_ops.commands import (
    archive,
    audit,
    backfill,
    backup,
    doctor,
    keys,
    quarantine,
    reporting,
    restore,
    rotate,
    servers,
    shell,
)
from ledgerflow_ops.commands.calls import Commands
from ledgerflow_ops.commands.command_line import HELP_WIDTH, environment
from ledgerflow_ops.console import leave_terminal
from ledgerflow_ops.core.hints import Make
from ledgerflow_ops.places import IN_CLONE

SECTIONS = {
    "Backups": (*backup.COMMANDS, *backfill.COMMANDS),
    "Archive locations": archive.COMMANDS,
    "Restore": restore.COMMANDS,
    "Retention": (*rotate.COMMANDS, *quarantine.COMMANDS),
    "State and history": (*reporting.COMMANDS, *audit.COMMANDS),
    "Settings and protection": (*doctor.COMMANDS, *keys.COMMANDS),
    "Web page and alerts": servers.COMMANDS,
    "Shell": shell.COMMANDS,
}
"""The commands as `--help` lists them."""


def _print_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:  # noqa: ARG001
    """Print the versions that a bug report needs, read from the installed packages' metadata."""
    if wanted and not ctx.resilient_parsing:
        versions = f"Dagster {version('dagster')}, Python {platform.python_version()}"
        click.echo(f"ledgerflow {version('ledgerflow-ops')} ({versions})")
        ctx.exit()


@click.group(
    cls=Commands,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@environment("The environment, for a command that acts on one.")
def program() -> None:
    """Backups that count only when they have been proven restorable.

    LEDGER_ENV or --env names the environment: dev, test or prod. A command that acts on one has no default.
    """
    Make.by_program = not IN_CLONE
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    redeliver_lost_interruptions()


def _interrupt(number: int, _frame: object) -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that incomplete results are removed."""
    if number == signal.SIGHUP:
        leave_terminal()
    raise KeyboardInterrupt
