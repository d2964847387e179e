"""All commands as one program.

Every option can also be given as the environment variable of the same name; make passes variables.
"""

import signal

import click

from ledgerflow_ops.commands import backfill, backup, doctor, reporting, restore, rotate, servers
from ledgerflow_ops.commands.calls import Commands
from ledgerflow_ops.console import leave_terminal


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def program() -> None:
    """Backups that count only when they have been proven restorable."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(number: int, _frame: object) -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that incomplete results are removed."""
    if number == signal.SIGHUP:
        leave_terminal()
    raise KeyboardInterrupt


for module in (backup, backfill, restore, rotate, reporting, doctor, servers):
    for command in module.COMMANDS:
        program.add_command(command)
