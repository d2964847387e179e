"""The command quarantine: move a bad backup aside, and back."""

import sys
from typing import Any

import click

from ledgerflow_ops.commands.calls import DRY_RUN, ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, flag, option
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.core.retention.quarantine_plan import QuarantinePlan
from ledgerflow_ops.operations.context import EnvironmentContext

CONFIRM_FILE = option(
    "--confirm",
    envvar="CONFIRM",
    default="",
    metavar="FILE",
    text="The file's name again, to move a backup that has not been shown to be bad.",
)
UNDO = flag("undo", False, "Move the backup back out of quarantine.")


@click.command(
    cls=Command,
    examples=(
        "quarantine --env prod ledgerflow_prod_20261123_0100.dump --dry-run",
        "quarantine --env prod ledgerflow_prod_20261123_0100.dump --undo",
    ),
)
@ENV
@FILE
@CONFIRM_FILE
@UNDO
@WHY
@DRY_RUN
@JSON
def quarantine(file: str | None, confirm: str, undo: bool, why: str, dry_run: bool, json: bool) -> None:
    """Move a bad backup aside, so that nothing counts it as a backup. Nothing is deleted.

    It is refused for a backup that is pinned or in use, and, without --confirm, for one that is not bad.
    """
    from ledgerflow_ops.operations.retention import quarantine as operation

    call = Call(json, why)
    env = call.env()
    if dry_run:
        found = operation.planned_undo(env, file or "") if undo else operation.plan(env, file or "", confirm)
        sys.exit(_show_plan(env, found, call.terminal))
    named = file or ""
    record = operation.undo(env, named) if undo else operation.quarantine(env, named, why, confirm)
    _print_moved(env, record, call.terminal)


def _show_plan(env: EnvironmentContext, plan: QuarantinePlan, terminal: Terminal) -> int:
    """Print what would be moved, or why it would not; the exit code."""
    if plan.refusal:
        raise plan.refusal
    for file in plan.moves:
        terminal.say(f"  would move {file}")
    for file in plan.stays:
        terminal.say(f"  would leave {file}: another backup needs it")
    fields = {"moves": list(plan.moves), "stays": list(plan.stays), "dry_run": True, "exit_code": 0}
    terminal.finish({"environment": env.environment, "file": plan.name.dump, **fields})
    return 0


def _print_moved(env: EnvironmentContext, record: Quarantined, terminal: Terminal) -> None:
    """Print where the backup is now, and how to reverse that."""
    from ledgerflow_ops.operations.quarantined import quarantine_store

    fields: dict[str, Any] = {"environment": env.environment, **record.model_dump(mode="json")}
    if record.undo:
        terminal.say(f"{record.file} is back in {env.store.location}.")
        verify = make("verify", env.environment, FILE=record.file)
        terminal.say(f"  hint: {verify} reads it again.", "dim")
    else:
        place = quarantine_store(env).location
        terminal.say(f"{record.file} is in quarantine, in {place}: it is no backup any more.")
        back = make("quarantine", env.environment, FILE=record.file, UNDO=1)
        terminal.say(f"  hint: {back} takes it back.", "dim")
        fields["folder"] = place
    terminal.finish({**fields, "exit_code": 0})


COMMANDS = (quarantine,)
