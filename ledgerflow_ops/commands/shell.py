"""The command completion: prints the script with which a shell completes words."""

from typing import Any

import click
from click.shell_completion import get_completion_class

from ledgerflow_ops.commands.command_line import Command

PROGRAM, VARIABLE = "ledgerflow", "_LEDGERFLOW_COMPLETE"
"""What people type, and the variable by which the script asks the program for words (click's names)."""


@click.command(cls=Command, examples=("completion bash", "completion zsh"))
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, environments and backups in a shell.

    Put this line into ~/.bashrc, or with zsh into ~/.zshrc, below compinit:
    source <(ledgerflow completion bash)
    """
    program: Any = ctx.find_root().command
    if script := get_completion_class(shell):
        click.echo(script(program, {}, PROGRAM, VARIABLE).source())


COMMANDS = (completion,)
