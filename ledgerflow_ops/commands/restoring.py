"""The commands that bring data back: restore, restore-force, rollback, recover, discard."""

import sys
from collections.abc import Callable
from typing import Any

import click

from ledgerflow_ops.commands.calls import CONFIRM, DRY_RUN, FILE, JSON, WHY, Call, flag
from ledgerflow_ops.core.errors import SettingsError


def _restore(file: str | None, from_env: str | None, confirm: str, why: str, **flags: bool) -> None:
    call = Call(flags["json"], why)
    env = call.env()
    if not file:
        raise SettingsError(
            "A restore needs FILE=.",
            hint="A name, a path, a day, latest or latest-proven; make status lists them.",
        )
    from ledgerflow_ops.defs import restore_order
    from ledgerflow_ops.defs.jobs import restore_jobs

    wish = restore_jobs.wish_of(env, file, from_env, confirm, force=flags["force"])
    sys.exit(restore_order.restored(env, call.terminal, wish, dry_run=flags["dry_run"]))


def _restores(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both restores take."""
    source = click.option("--from-env", envvar="FROM_ENV", default=None, help="Whose backup it is.")
    for option in (JSON, DRY_RUN, WHY, CONFIRM, source, FILE):
        command = option(command)
    return command


@click.command()
@_restores
def restore(**options: Any) -> None:
    """Restore a backup into an empty or absent database."""
    _restore(**options, force=False)


@click.command("restore-force")
@_restores
def restore_force(**options: Any) -> None:
    """Restore a backup over the database, which is backed up and kept aside."""
    _restore(**options, force=True)


@click.command()
@flag("force", False, "End the sessions on the database.")
@WHY
@DRY_RUN
@JSON
def rollback(force: bool, why: str, dry_run: bool, json: bool) -> None:
    """Swap back the database that the last restore put aside."""
    call = Call(json, why)
    env = call.env()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.rolled_back(env, call.terminal, force=force, dry_run=dry_run))


@click.command()
@CONFIRM
@WHY
@DRY_RUN
@JSON
def recover(confirm: str, why: str, dry_run: bool, json: bool) -> None:
    """After a loss: prove the newest backups until one holds, restore it, write down what happened."""
    call = Call(json, why)
    env = call.env()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.recovered(env, call.terminal, confirmed=confirm, dry_run=dry_run))


@click.command()
@click.option("--name", envvar="NAME", default="", help="The whole name of the database to drop.")
@JSON
def discard(name: str, json: bool) -> None:
    """Drop a database that a restore put aside."""
    call = Call(json)
    env = call.env()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.discarded(env, call.terminal, name))


COMMANDS = (restore, restore_force, rollback, recover, discard)
