"""The commands that make and prove backups: backup, verify, restore-test, backfill."""

import sys

import click

from ledgerflow_ops.commands.calls import DRY_RUN, FILE, JSON, WHY, Call, flag
from ledgerflow_ops.core.errors import SettingsError


@click.command()
@FILE
@flag("drill", True, "Prove the backup by restoring it (default 1).")
@click.option("--seal", envvar="SEAL", type=click.Choice(["full", "auto"]), default="auto")
@click.option("--why", envvar="WHY", default="", help="Goes on record with the run.")
@JSON
def backup(file: str | None, drill: bool, seal: str, why: str, json: bool) -> None:
    """Take a backup and prove it."""
    call = Call(json, why)
    env = call.env()
    from ledgerflow_ops.defs import order

    sys.exit(order.backup(env, call.terminal, file=file, drill=drill, full_seal=seal == "full"))


@click.command()
@FILE
@JSON
def verify(file: str | None, json: bool) -> None:
    """Read every byte of a backup and compare it with its manifest."""
    call = Call(json)
    env = call.env()
    if not file:
        raise SettingsError("verify needs FILE=.", hint="make status lists the backups.")
    from ledgerflow_ops.defs import order

    sys.exit(order.verify(env, call.terminal, file))


@click.command("restore-test")
@FILE
@JSON
def restore_test(file: str | None, json: bool) -> None:
    """Restore a backup into a throw-away server and compare it with its seal."""
    call = Call(json)
    env = call.env()
    from ledgerflow_ops.defs import order

    sys.exit(order.drill(env, call.terminal, file))


@click.command()
@click.option("--day", envvar="DAY", default="", help="One day, as 2026-11-23.")
@click.option("--from", "first", envvar="FROM", default="", help="The first day; the window's if left out.")
@click.option("--to", "last", envvar="TO", default="", help="The last day; yesterday if left out.")
@WHY
@DRY_RUN
@JSON
def backfill(day: str, first: str, last: str, why: str, dry_run: bool, json: bool) -> None:
    """Get the backups of days that have passed, from wherever there is one."""
    call = Call(json, why)
    env = call.env()
    from ledgerflow_ops.defs import backfill_order

    sys.exit(backfill_order.backfill(env, call.terminal, (day, first, last), dry_run=dry_run))


COMMANDS = (backup, verify, restore_test, backfill)
