"""The commands that restore data: restore, restore-force, rollback, recover, discard."""

import sys
from collections.abc import Callable
from typing import Any

import click

from ledgerflow_ops.commands import completion, restore_report
from ledgerflow_ops.commands.calls import CONFIRM, DRY_RUN, ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, flag, option
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import RecoverRequest, RestoreRequest, RollbackRequest
from ledgerflow_ops.operations.context import EnvironmentContext


def _restore(file: str | None, from_env: str | None, confirm: str, why: str, **flags: bool) -> None:
    call = Call(flags["json"], why)
    env = call.env()
    if not file:
        raise SettingsError(
            "A restore needs FILE=.",
            hint=Hint("A name, a path, a day, latest or latest-proven; ", make("status"), " lists them."),
        )
    request = RestoreRequest(
        environment=env.environment, file=file, from_env=from_env, confirm=confirm, force=flags["force"]
    )
    sys.exit(restore_backup(env, call.terminal, request, dry_run=flags["dry_run"]))


def restore_backup(
    env: EnvironmentContext, terminal: Terminal, request: RestoreRequest, *, dry_run: bool
) -> int:
    """Restore as a Dagster run, or with `dry_run` print what would be done; the exit code."""
    origin = env.ctx.env(request.origin)
    if dry_run:
        from ledgerflow_ops.operations.restore.restore import prepare_restore

        return restore_report.show_plan(terminal, prepare_restore(env, request).plan)
    if not request.confirm and sys.stdin.isatty():
        request = request.model_copy(update={"confirm": _prompt_confirmation(origin, request)})
    from ledgerflow_ops.defs.terminal_runs import run_job

    return restore_report.show_result(env, terminal, run_job(env, request), "restored")


def _prompt_confirmation(origin: EnvironmentContext, request: RestoreRequest) -> str:
    """What a person types when asked to confirm that another environment's data go into prod; else empty."""
    from ledgerflow_ops.core.restore.restore_plan import needs_confirmation
    from ledgerflow_ops.operations import catalog
    from ledgerflow_ops.operations.archive.sources import sources_of

    try:
        at, name = next(sources_of(origin, request.file))
        manifest = catalog.entry(at, name).manifest
    except LedgerError:
        return ""
    if not needs_confirmation(request, manifest):
        return ""
    question = (
        f"This restores data of {origin.environment} into {Environment.PROD}. Type the environment's name"
    )
    return str(click.prompt(question, default="", show_default=False, err=True))


def _restores(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both restores take."""
    source = option(
        "--from-env",
        envvar="FROM_ENV",
        default=None,
        metavar="|".join(Environment),
        shell_complete=completion.environments,
        text="The environment whose backup it is (default: the one that is restored).",
    )
    for decorate in (JSON, DRY_RUN, WHY, CONFIRM, source, FILE, ENV):
        command = decorate(command)
    return command


@click.command(
    cls=Command,
    examples=("restore latest-proven --env dev --dry-run", "restore 2026-11-23 --env test --from-env prod"),
)
@_restores
def restore(**options: Any) -> None:
    """Restore a backup into an empty or absent database; refuse any other.

    The backup is restored beside it, compared with its seal, and only then put in its place.
    """
    _restore(**options, force=False)


@click.command(
    "restore-force",
    cls=Command,
    examples=(
        "restore-force latest-proven --env prod --dry-run",
        "restore-force latest-proven --env prod --why 'the migration failed'",
    ),
)
@_restores
def restore_force(**options: Any) -> None:
    """Restore a backup over the database, which is first backed up, and kept under another name.

    The sessions on the database are ended. A failure before the swap leaves the live database as it was;
    rollback swaps back the one that was replaced.
    """
    _restore(**options, force=True)


@click.command(cls=Command, examples=("rollback --env prod --dry-run", "rollback --env prod --force"))
@ENV
@flag("force", False, "End the sessions on the database.")
@WHY
@DRY_RUN
@JSON
def rollback(force: bool, why: str, dry_run: bool, json: bool) -> None:
    """Swap back the database that the last restore replaced."""
    call = Call(json, why)
    env = call.env()
    if dry_run:
        from ledgerflow_ops.operations.restore import target_inspection
        from ledgerflow_ops.operations.restore.rollback import plan_rollback

        sys.exit(
            restore_report.show_rollback(
                call.terminal, plan_rollback(env, target_inspection.inspect_target(env), force=force)
            )
        )
    from ledgerflow_ops.defs.terminal_runs import run_job

    request = RollbackRequest(environment=env.environment, force=force)
    sys.exit(restore_report.show_result(env, call.terminal, run_job(env, request), "rolled back"))


@click.command(cls=Command, examples=("recover --env prod --dry-run", "recover --env prod --why 'disk lost'"))
@ENV
@CONFIRM
@WHY
@DRY_RUN
@JSON
def recover(confirm: str, why: str, dry_run: bool, json: bool) -> None:
    """After a loss: prove the newest backups until one holds, restore it, write an incident record.

    The backups of every location are tried, the newest recovery point first.
    """
    call = Call(json, why)
    env = call.env()
    if dry_run:
        from ledgerflow_ops.operations.restore.recover import recovery_candidates, refuse_healthy

        state = refuse_healthy(env, confirm)
        sys.exit(restore_report.show_candidates(env, call.terminal, state, recovery_candidates(env)))
    from ledgerflow_ops.defs.terminal_runs import run_job

    request = RecoverRequest(environment=env.environment, confirm=confirm)
    sys.exit(restore_report.show_result(env, call.terminal, run_job(env, request), "recovered"))


@click.command(cls=Command, examples=("discard --env dev --name ledgerflow_before_20261123_0230",))
@ENV
@option("--name", envvar="NAME", default="", text="The whole name of the database to drop; status shows it.")
@JSON
def discard(name: str, json: bool) -> None:
    """Drop a database that a restore replaced or left unfinished."""
    from ledgerflow_ops.operations.cleanup import restore_leftovers

    call = Call(json)
    env = call.env()
    dropped = restore_leftovers.discard(env, name)
    call.terminal.say(f"Dropped {dropped}.")
    call.terminal.finish({"environment": str(env.environment), "dropped": dropped, "exit_code": 0})


COMMANDS = (restore, restore_force, rollback, recover, discard)
