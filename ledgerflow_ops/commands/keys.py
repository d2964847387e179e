"""The commands of encrypted backups and of those who come later: keys, rekey, recovery-kit."""

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ledgerflow_ops.commands.calls import DRY_RUN, ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, flag, option
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.errors import KeyUnavailable, SettingsError
from ledgerflow_ops.core.hints import Hint, make

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.backup_keys import BackupKey
    from ledgerflow_ops.operations.context import EnvironmentContext
    from ledgerflow_ops.operations.keys import NewKey
    from ledgerflow_ops.operations.rekey import RekeyResult

_SHOWN = 20
CREATE = flag("create", False, "Create a new identity, where identity_file says.")
DRILL = flag("drill", False, "Open every backup with the escrowed identity alone, and restore one.")
ALL = flag("all", False, "Every backup in the environment's own folder.")


@click.command(
    cls=Command, examples=("keys --env prod --create", "keys --env prod", "keys --env prod --drill")
)
@ENV
@CREATE
@DRILL
@JSON
def keys(create: bool, drill: bool, json: bool) -> None:
    """Show which backups the identity opens, in every location; with --create, create one first.

    With --drill the escrowed identity alone opens every backup, and one is restored. Exit code 5 when an
    encrypted backup is there that does not open, 4 when one is damaged.
    """
    from ledgerflow_ops.operations import keys as operation

    call = Call(json)
    env = call.env()
    if create and drill:
        raise SettingsError(
            "CREATE and DRILL are two calls: a new identity is no escrow yet.",
            hint=Hint(make("keys", CREATE=1), " comes first."),
        )
    if drill:
        _drill(env, call.terminal)
    if create:
        created = operation.create_key(env)
        _show_created(env, created, call.terminal)
        fields = {"identity_file": str(created.file), "recipient": created.recipient, "exit_code": 0}
        call.terminal.finish({"environment": env.environment, **fields})
        return
    found = list(operation.backup_keys(env))
    code = _show_backups(found, call.terminal)
    listed = [item.as_json() for item in found]
    call.terminal.finish({"environment": env.environment, "backups": listed, "exit_code": code})
    sys.exit(code)


def _drill(env: "EnvironmentContext", terminal: Terminal) -> NoReturn:
    """Carry out the key-survival drill; exits with its code."""
    from ledgerflow_ops.operations import key_drill

    found = key_drill.drill_keys(env)
    clear(env.ctx.reporter)
    check = found.check()
    if check.passed:
        terminal.say(check.message, "green")
    else:
        terminal.error(check.message, check.hint)
    for item in found.closed[:_SHOWN]:
        terminal.say(f"  {item.opening}: {item.file} in {item.location}", "yellow")
    terminal.finish({"environment": env.environment, **found.as_json(), "exit_code": found.exit_code})
    sys.exit(found.exit_code)


def _show_created(env: "EnvironmentContext", created: "NewKey", terminal: Terminal) -> None:
    terminal.say(f"A new identity is in {created.file}, readable by its owner alone.")
    terminal.say("  In ledgerflow.toml, where backups are taken and where they are proven:")
    terminal.say(f"    [environments.{env.environment}]")
    listed = ", ".join(f'"{one}"' for one in (*env.settings.all_recipients, created.recipient))
    terminal.say(f"    recipients = [{listed}]")
    terminal.say(f'    identity_file = "{created.file}"   # only where they are proven')
    terminal.say(
        "  Copy the identity NOW to where neither this machine nor the backups are: a password manager, or a "
        "printed page in a safe. Without it nobody can open a backup.",
        "bold yellow",
    )


def _show_backups(found: "list[BackupKey]", terminal: Terminal) -> int:
    """Print which backups open; returns the exit code."""
    counts = Counter(item.opening for item in found)
    for opening, count in sorted(counts.items()):
        terminal.say(f"{opening}: {count}")
    closed = [item for item in found if item.closed]
    for item in closed[:_SHOWN]:
        terminal.say(f"  {item.opening}: {item.file} in {item.location}", "yellow")
    unread = [item for item in found if item.lacks]
    for item in unread[:_SHOWN]:
        terminal.say(f"  {item.file}: {', '.join(item.lacks)} cannot read it: it was added later", "yellow")
    if unread:
        terminal.say(f"  `{make('rekey', ALL=1)}` encrypts them anew for the present recipients.")
    if not found:
        terminal.say("There is no backup.")
    return KeyUnavailable.exit_code if closed else 0


@click.command(
    cls=Command,
    examples=("rekey --env prod --all --dry-run", "rekey ledgerflow_prod_20261123_0230.dump.age --env prod"),
)
@ENV
@FILE
@ALL
@WHY
@DRY_RUN
@JSON
def rekey(file: str | None, all: bool, why: str, dry_run: bool, json: bool) -> None:  # noqa: A002 - the option
    """Encrypt old backups anew for the present recipients, and remove the old files.

    Each new file is decrypted again and compared before anything is removed. Reading the old ones needs an
    identity.
    """
    from ledgerflow_ops.operations import rekey as operation

    call = Call(json, why)
    env, terminal = call.env(), call.terminal
    if bool(file) == all:
        raise SettingsError(
            "rekey needs a FILE, or ALL.",
            hint=Hint(make("rekey", ALL=1, DRY_RUN=1), " shows the plan."),
        )
    if dry_run:
        decisions = operation.plan(env, file or "")
        clear(env.ctx.reporter)
        for decision in decisions:
            terminal.say(decision.sentence)
        listed = [asdict(decision) for decision in decisions]
        terminal.finish({"environment": env.environment, "backups": listed, "dry_run": True, "exit_code": 0})
        return
    result = operation.rekey(env, file or "")
    clear(env.ctx.reporter)
    _show_rekeyed(terminal, result)
    terminal.finish({"environment": env.environment, **result.as_json(), "exit_code": result.exit_code})
    sys.exit(result.exit_code)


def _show_rekeyed(terminal: Terminal, result: "RekeyResult") -> None:
    from ledgerflow_ops.operations.rekey import waiting_hint

    for old, new in result.encrypted.items():
        terminal.say(f"{old} was encrypted anew: {new}")
    for old in result.removed:
        terminal.say(f"{old} was removed.")
    for old, why in result.waiting.items():
        terminal.say(f"{old} stays for now: {why}.", "yellow")
    if result.waiting:
        terminal.say(f"  {waiting_hint().within(terminal.environment)}")
    for error in result.failed:
        terminal.error(error.message, error.hint)
    if not (result.encrypted or result.removed or result.waiting or result.failed):
        terminal.say("Nothing has to be encrypted anew.")


@click.command(
    "recovery-kit",
    cls=Command,
    examples=("recovery-kit --env prod", "recovery-kit --env prod --into /mnt/usb"),
)
@ENV
@option("--into", envvar="INTO", default="", metavar="FOLDER", text="Write it there, not beside the backups.")
@JSON
def recovery_kit(into: str, json: bool) -> None:
    """Write a folder that tells a stranger how to restore without this software. It holds no secret."""
    from ledgerflow_ops.operations.restore import recovery_kit as operation

    call = Call(json)
    env = call.env()
    folder = operation.write_kit(env, Path(into).expanduser().absolute() if into else None)
    call.terminal.say(f"The recovery kit of {env.environment} is in {folder}.", "bold")
    call.terminal.say("  Keep a copy with the key's copy, and print README.md. Write it anew after changes.")
    call.terminal.finish({"environment": env.environment, "folder": str(folder), "exit_code": 0})


COMMANDS = (keys, rekey, recovery_kit)
