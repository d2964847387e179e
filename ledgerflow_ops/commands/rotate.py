"""The commands for retention: rotate, pin, unpin."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.commands.calls import CONFIRM, DRY_RUN, ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, option
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.operations.context import EnvironmentContext

REASON = option("--reason", envvar="REASON", default="", text="Why the backup must be kept.")
UNTIL = option(
    "--until", envvar="UNTIL", default="", text="Until a day (2027-01-31) or for a number of days (90d)."
)


@click.command(cls=Command, examples=("rotate --env prod --dry-run", "rotate --env prod --confirm prod"))
@ENV
@CONFIRM
@WHY
@DRY_RUN
@JSON
def rotate(confirm: str, why: str, dry_run: bool, json: bool) -> None:
    """Remove the backups that are older than the retention window and that no rule keeps.

    It does so in the environment's folder, and then in each archive location that has a retention of its own.
    With --dry-run it lists every backup, whether it would be kept, and all reasons.
    """
    from ledgerflow_ops.operations.reporting import rotation_screen
    from ledgerflow_ops.operations.retention import location_rotations
    from ledgerflow_ops.operations.retention import rotate as operation

    call = Call(json, why)
    env = call.env()
    planned, places = operation.plan_rotation(env), location_rotations.plan_locations(env)
    if not dry_run:
        # Before a run starts: a refusal must not leave a failed run behind.
        planned.require(confirm)
        location_rotations.require_confirmed(env, places, confirm)
        # LEDGER_ENV is the name that a person would type in the page.
        request = RotateRequest(carry_out=True, environment=env.environment, confirm=confirm)
        sys.exit(_carry_out(env, call.terminal, request))
    rotation_screen.show(planned, call.terminal)
    rotation_screen.show_locations(env, places, call.terminal)
    asks = planned.asks(confirm) or any(place.planned and place.planned.asks(confirm) for place in places)
    failed = max((place.trouble.exit_code for place in places if place.trouble), default=0)
    code = Refused.exit_code if asks else failed
    fields = {**planned.as_json(), "locations": [place.as_json() for place in places]}
    call.terminal.finish({**fields, "dry_run": True, "exit_code": code})
    sys.exit(code)


def _carry_out(env: EnvironmentContext, terminal: Terminal, request: RotateRequest) -> int:
    """Rotate as a Dagster run and print what was removed; the exit code."""
    from ledgerflow_ops.defs.terminal_runs import run_job

    result = run_job(env, request)
    clear(env.ctx.reporter)
    fields: dict[str, Any] = {"environment": str(env.environment), "run_id": result.run_id}
    for entry in journal_file.read_entries(env.ctx.settings.state_dir):
        # A location's own line is in the operation's, which comes last.
        if entry.get("run_id") == result.run_id and entry.get("what") == "rotate" and "location" not in entry:
            fields |= {name: value for name, value in entry.items() if name not in ("who", "why", "what")}
    _print_removed(terminal, fields)
    fields["exit_code"] = result.exit_code or _show_locations(terminal, fields)
    if failure := result.failure:
        terminal.error(failure.message, failure.hint)
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    terminal.finish(fields)
    return int(fields["exit_code"])


def _show_locations(terminal: Terminal, fields: Mapping[str, Any]) -> int:
    """Print what became of each location with a retention of its own; 1 where one could not be rotated."""
    failed = 0
    for place in fields.get("locations", []):
        name, error = place["location"], place["error"]
        for file in place["removed"]:
            terminal.say(f"  removed {file} from {name}")
        if error:
            terminal.error(f"{name}: {error['message']}", Hint(error["hint"]))
            failed = LedgerError.exit_code
        elif place["left"]:
            terminal.say(f"  {name}: {place['left']}", "yellow")
        else:
            terminal.say(
                f"{fields['environment']} in {name}: {len(place['removed'])} removed, "
                f"{place['expire'] + place['keep'] - len(place['removed'])} kept.",
                "bold green",
            )
    return failed


def _print_removed(terminal: Terminal, fields: Mapping[str, Any]) -> None:
    """Print what was removed and what was left, if the rotation got that far."""
    if "removed" not in fields:
        return
    for name in fields["removed"]:
        terminal.say(f"  removed {name}")
    for name in fields["finished"]:
        terminal.say(f"  completed an earlier removal: {name}")
    for name, why in fields["left"].items():
        terminal.say(f"  left {name}: {why}", "yellow")
    count = len(fields["removed"])
    terminal.say(f"{fields['environment']}: {count} removed, {fields['kept']} kept.", "bold green")


@click.command(
    cls=Command, examples=("pin latest-proven --env prod --reason 'annual accounts' --until 2027-12-31",)
)
@ENV
@FILE
@REASON
@UNTIL
@WHY
@JSON
def pin(file: str | None, reason: str, until: str, why: str, json: bool) -> None:
    """Keep a backup, whatever rotation would decide."""
    from ledgerflow_ops.operations.retention import pins

    call = Call(json, why)
    env = call.env()
    pinned = pins.pin_on_request(env, file or "", reason, until)
    end = f"until {pinned.until.astimezone(env.settings.zone):%Y-%m-%d %H:%M %Z}" if pinned.until else ""
    call.terminal.say(f"{pinned.file} is pinned {end or 'without an end date'}: {pinned.reason}")
    fields = pinned.model_dump(mode="json")
    call.terminal.finish({"environment": env.environment, "pin": fields, "exit_code": 0})


@click.command(cls=Command, examples=("unpin 2026-11-23 --env prod",))
@ENV
@FILE
@WHY
@JSON
def unpin(file: str | None, why: str, json: bool) -> None:
    """Remove a backup's pin."""
    from ledgerflow_ops.operations.retention import pins

    call = Call(json, why)
    env = call.env()
    unpinned = pins.unpin(env, file or "")
    call.terminal.say(f"{unpinned} is no longer pinned: rotation decides.")
    call.terminal.finish({"environment": env.environment, "unpinned": unpinned, "exit_code": 0})


COMMANDS = (rotate, pin, unpin)
