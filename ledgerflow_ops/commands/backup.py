"""The commands that make and prove backups: backup, verify, restore-test."""

import sys
from functools import partial

import click

from ledgerflow_ops.commands import archive
from ledgerflow_ops.commands.calls import ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, file, flag, option
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.finished_run import FinishedRun
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import BackupRequest, DrillRequest, VerifyRequest
from ledgerflow_ops.operations.context import EnvironmentContext


@click.command(
    cls=Command,
    examples=(
        "backup --env dev",
        "backup before_migration.dump --env prod --why 'before the migration'",
        "backup --env test --no-drill",
    ),
)
@ENV
@file("A name for the new backup, ending in .dump (default: the environment and the time).", complete=None)
@flag("drill", True, "Skip the proof, as DRILL=0 does: the backup is then NOT PROVEN.")
@option(
    "--seal",
    envvar="SEAL",
    type=click.Choice(["full", "auto"]),
    default="auto",
    text="full: compare every byte with the source. auto: do so below the setting full_seal_below.",
)
@WHY
@JSON
def backup(file: str | None, drill: bool, seal: str, why: str, json: bool) -> None:
    """Take a backup and prove it by restoring it into a throw-away server.

    The backup is sealed under its own snapshot, read back, restored, and compared with the seal table by
    table. Only a backup that passes all of this, and the environment's data rules, is called valid.
    """
    call = Call(json, why)
    env = call.env()
    request = BackupRequest(file=file, full_seal=seal == "full")
    sys.exit(take_backup(env, call.terminal, request, drill=drill))


def take_backup(env: EnvironmentContext, terminal: Terminal, request: BackupRequest, *, drill: bool) -> int:
    """Back up the environment and, with `drill`, prove the backup, as a Dagster run; the exit code."""
    from ledgerflow_ops.commands import backup_report
    from ledgerflow_ops.operations import catalog, summaries
    from ledgerflow_ops.operations.backup.backup import requested_name
    from ledgerflow_ops.operations.restore.restore_rights import find_restore_rights

    requested_name(
        env, request.file
    )  # checked before a run starts: a typing error must not fail the day's run
    from ledgerflow_ops.defs.names import DUMP
    from ledgerflow_ops.defs.terminal_runs import run_job

    result = run_job(env, request, env.today(), assets=() if drill else (DUMP,))
    entries = (catalog.entry(env, backup.name) for backup in summaries.present_backups(env))
    made = (entry for entry in entries if entry.manifest and entry.manifest.run.run_id == result.run_id)
    entry = next(made, None) if result.run_id else None
    rights = find_restore_rights(env) if entry else None
    proven = entry is not None and entry.proven and not result.failure
    copies = partial(archive.copy_after_backup, env, terminal) if proven else dict
    return backup_report.show_result(env, terminal, entry, result, rights=rights, afterwards=copies)


@click.command(cls=Command, examples=("verify latest --env dev", "verify 2026-11-23 --env prod --json"))
@ENV
@FILE
@JSON
def verify(file: str | None, json: bool) -> None:
    """Read every byte of a backup and compare it with its manifest.

    A backup that passes is known to be readable. Only restore-test proves that it can be restored.
    """
    call = Call(json)
    env = call.env()
    if not file:
        raise SettingsError("verify needs FILE=.", hint=Hint(make("status"), " lists the backups."))
    sys.exit(examine_backup(env, call.terminal, VerifyRequest(file=file)))


@click.command(
    "restore-test", cls=Command, examples=("restore-test --env dev", "restore-test 2026-11-23 --env prod")
)
@ENV
@FILE
@JSON
def restore_test(file: str | None, json: bool) -> None:
    """Restore a backup into a throw-away server and compare the result with its seal.

    Without FILE it takes the newest backup. Nothing is restored into the environment's own database.
    """
    call = Call(json)
    env = call.env()
    sys.exit(examine_backup(env, call.terminal, DrillRequest(file=file)))


def examine_backup(env: EnvironmentContext, terminal: Terminal, request: VerifyRequest | DrillRequest) -> int:
    """Verify or drill a backup, the newest if none is named; the exit code.

    If the backup's day has a partition this is a Dagster run, otherwise the operation without a run: the day
    of a dump without a manifest cannot be trusted. A copy in an archive location is examined without a run:
    the day's partitions are about the primary folder.
    """
    from ledgerflow_ops.commands import backup_report
    from ledgerflow_ops.operations import catalog
    from ledgerflow_ops.operations.archive.sources import first_source

    at, name = first_source(env, request.file)
    day = None if at.archive else catalog.entry(env, name).day
    from ledgerflow_ops.defs.terminal_runs import displayed_days, run_job

    if day is not None and day in displayed_days(env):
        result = run_job(env, request.model_copy(update={"file": name.dump}), day)
        return backup_report.show_result(env, terminal, catalog.entry(env, name), result)
    from ledgerflow_ops.operations.verification.drill import drill
    from ledgerflow_ops.operations.verification.verify import verify

    examination = (verify if isinstance(request, VerifyRequest) else drill)(at, name)
    failure = backup_report.failure_of(examination)
    result = FinishedRun("", tuple(merged(examination.checks)), failure)
    return backup_report.show_result(at, terminal, catalog.entry(at, name), result, examination.rung)


COMMANDS = (backup, verify, restore_test)
