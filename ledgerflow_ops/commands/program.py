"""All commands as one program.

Everything can be given as an option or as the environment variable of the same name; make passes variables.
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
    """Asked to end: leave through the same door as Ctrl-C, which withdraws what is half-done."""
    if number == signal.SIGHUP:
        leave_terminal()
    raise KeyboardInterrupt


for room in (backup, backfill, restore, rotate, reporting, doctor, servers):
    for command in room.COMMANDS:
        program.add_command(command)
