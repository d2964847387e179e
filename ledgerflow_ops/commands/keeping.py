"""The commands about how long backups stay: rotate, pin, unpin."""

import sys

import click

from ledgerflow_ops.commands.calls import CONFIRM, DRY_RUN, FILE, JSON, WHY, Call
from ledgerflow_ops.core.errors import Refused

REASON = click.option("--reason", envvar="REASON", default="", help="Why it must stay.")
UNTIL = click.option("--until", envvar="UNTIL", default="", help="A day (2027-01-31) or so many days (90d).")


@click.command()
@CONFIRM
@WHY
@DRY_RUN
@JSON
def rotate(confirm: str, why: str, dry_run: bool, json: bool) -> None:
    """Remove the backups that are older than the window and that nothing keeps."""
    from ledgerflow_ops.operations.reporting import rotation_screen
    from ledgerflow_ops.operations.retention import rotate as asked

    call = Call(json, why)
    env = call.env()
    planned = asked.plan_rotation(env)
    if not dry_run:
        planned.require(confirm)  # before there is a run: what is refused leaves no red one behind
        from ledgerflow_ops.defs import rotate_order

        sys.exit(rotate_order.rotated(env, call.terminal, confirm))
    rotation_screen.show(planned, call.terminal)
    code = Refused.exit_code if planned.asks(confirm) else 0
    call.terminal.finish({**planned.as_json(), "dry_run": True, "exit_code": code})
    sys.exit(code)


@click.command()
@FILE
@REASON
@UNTIL
@WHY
@JSON
def pin(file: str | None, reason: str, until: str, why: str, json: bool) -> None:
    """Keep a backup, whatever a rotation would decide."""
    from ledgerflow_ops.operations.retention import pins

    call = Call(json, why)
    env = call.env()
    made = pins.order(env, file or "", reason, until)
    end = f"until {made.until.astimezone(env.settings.zone):%Y-%m-%d %H:%M %Z}" if made.until else ""
    call.terminal.say(f"{made.file} is pinned {end or 'without an end'}: {made.reason}")
    fields = made.model_dump(mode="json")
    call.terminal.finish({"environment": env.environment, "pin": fields, "exit_code": 0})


@click.command()
@FILE
@WHY
@JSON
def unpin(file: str | None, why: str, json: bool) -> None:
    """Take a backup's pin away."""
    from ledgerflow_ops.operations.retention import pins

    call = Call(json, why)
    env = call.env()
    freed = pins.unpin(env, file or "")
    call.terminal.say(f"{freed} is not pinned any more: rotation decides.")
    call.terminal.finish({"environment": env.environment, "unpinned": freed, "exit_code": 0})


COMMANDS = (rotate, pin, unpin)
