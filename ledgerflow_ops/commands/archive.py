"""The commands for archive locations: archive, repair, storage."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

import click

from ledgerflow_ops.adapters.system import deadline, journal_file
from ledgerflow_ops.commands.calls import ANY_ENV, DRY_RUN, ENV, FILE, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.archive.copies import COPIED
from ledgerflow_ops.core.archive.copy_plan import CopyPlan
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.finished_run import FinishedRun
from ledgerflow_ops.core.operation_requests import ArchiveRequest
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.context import EnvironmentContext


@click.command(cls=Command, examples=("archive --env prod", "archive --env prod --dry-run"))
@ENV
@WHY
@DRY_RUN
@JSON
def archive(why: str, dry_run: bool, json: bool) -> None:
    """Copy each proven backup to the archive locations that lack it, and read it back there.

    The nightly backup and `make backup` do so by themselves. With --dry-run it lists what would be copied.
    It removes nothing: that is the rotation's.
    """
    from ledgerflow_ops.operations.archive import archiving

    call = Call(json, why)
    env = call.env()
    archiving.require_locations(env)
    if dry_run:
        sys.exit(_show_plans(env, call.terminal))
    result = _run(env)
    clear(env.ctx.reporter)
    fields = _show_result(env, call.terminal, result)
    call.terminal.finish({"environment": env.environment, "run_id": result.run_id, **fields})
    sys.exit(result.exit_code)


def copy_after_backup(env: EnvironmentContext, terminal: Terminal) -> dict[str, Any]:
    """Copy a backup that has just been proven, where locations are set; returns fields for the JSON object.

    A failure is printed. It changes nothing about the backup, nor its exit code. The copies have a time limit
    of their own.
    """
    if not env.ctx.settings.locations_of(env.environment):
        return {}
    deadline.start_deadline(env.settings.backup_minutes)
    result = _run(env)
    clear(env.ctx.reporter)
    return {"archive": {"run_id": result.run_id, **_show_result(env, terminal, result)}}


def _run(env: EnvironmentContext) -> FinishedRun:
    """The run on the day of the newest proven backup. Refused (3) where nothing is proven."""
    from ledgerflow_ops.operations.archive import archiving

    day = archiving.newest_proven_day(env)
    from ledgerflow_ops.defs.terminal_runs import run_job

    return run_job(env, ArchiveRequest(), day)


def _show_result(env: EnvironmentContext, terminal: Terminal, result: FinishedRun) -> dict[str, Any]:
    """Print what became of each location; its fields for the JSON object."""
    fields: dict[str, Any] = {"exit_code": result.exit_code, "locations": []}
    for entry in journal_file.read_entries(env.ctx.settings.state_dir):
        if entry.get("run_id") == result.run_id and entry.get("what") == "archive":
            fields["locations"] = entry.get("locations", [])
    for location in fields["locations"]:
        terminal.say(*_location_line(location))
    terminal.checks(_shown(result.checks))
    if failure := result.failure:
        terminal.error(f"Copies are missing: {failure.message}", failure.hint)
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    return fields


def _shown(checks: Sequence[Check]) -> list[Check]:
    """The missing copies of other days, and the checks of the run's own backup, which are the last two."""
    missing = [check for check in checks[:-2] if check.name == COPIED and not check.passed]
    return [*missing, *checks[-2:]]


def _location_line(location: Mapping[str, Any]) -> tuple[str, str]:
    """What became of one location, and its style."""
    copied, problems = location["copied"], [location["trouble"], *location["failed"].values()]
    done = f"{count_of(len(copied), 'backup')} copied ({format_size(location['bytes'])})" if copied else ""
    told = [text for text in (done, *problems) if text] or ["nothing to copy"]
    return f"  {location['location']}: {'; '.join(told)}", "" if not any(problems) else "yellow"


def _show_plans(env: EnvironmentContext, terminal: Terminal) -> int:
    """Print what would be copied where, and why; the exit code."""
    from ledgerflow_ops.operations import catalog
    from ledgerflow_ops.operations.archive import archiving

    plans = archiving.plan_all(env)
    files = {entry.name.stem: entry.name.dump for entry in catalog.entries(env)}
    listed: list[dict[str, Any]] = []
    for plan in plans:
        if isinstance(plan, LedgerError):
            terminal.error(plan.message, plan.hint)
            continue
        _show_copies(terminal, plan, files)
        listed.append({"location": plan.location, "backups": _plan_json(plan, files)})
    code = max((plan.exit_code for plan in plans if isinstance(plan, LedgerError)), default=0)
    terminal.finish({"environment": env.environment, "dry_run": True, "locations": listed, "exit_code": code})
    return code


def _show_copies(terminal: Terminal, plan: CopyPlan, files: Mapping[str, str]) -> None:
    terminal.say(f"{plan.location}: {count_of(len(plan.to_copy), 'backup')} would be copied.", "bold")
    for decision in plan.decisions:
        word = "COPY" if decision.copies else "-"
        terminal.say(f"  {word:<5}{files[decision.name]}: {decision.reason}")


def _plan_json(plan: CopyPlan, files: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    return [
        {"file": files[decision.name], "copy": decision.copies, "reason": decision.reason}
        for decision in plan.decisions
    ]


@click.command(
    cls=Command,
    examples=("repair --env prod --dry-run", "repair ledgerflow_prod_20261123_0230.dump --env prod"),
)
@ENV
@FILE
@WHY
@DRY_RUN
@JSON
def repair(file: str | None, why: str, dry_run: bool, json: bool) -> None:
    """Replace what is bad of a backup, in whichever location, from a good copy in another one.

    Without FILE it repairs every copy that is known to be bad. With FILE every byte of that backup's copies
    is read first. A good copy is never overwritten.
    """
    from ledgerflow_ops.operations.archive import repair as operation

    call = Call(json, why)
    env, terminal = call.env(), call.terminal
    _require_locations(env)
    repairs = operation.plan(env, file or "")
    if dry_run:
        for planned in repairs:
            terminal.say(planned.sentence, "" if planned.possible else "yellow")
        code = BadBackup.exit_code if any(not planned.possible for planned in repairs) else 0
        fields: dict[str, Any] = {"repairs": [asdict(planned) for planned in repairs], "dry_run": True}
        _finish(env, terminal, fields, code)
    result = operation.repair(env, repairs)
    clear(env.ctx.reporter)
    for done in result.repaired:
        terminal.say(done)
    for error in result.failed:
        terminal.error(error.message, error.hint)
    if not repairs:
        terminal.say(f"No copy of a backup of {env.environment} is known to be bad.")
    code = max((error.exit_code for error in result.failed), default=0)
    _finish(env, terminal, result.as_json(), code)


def _require_locations(env: EnvironmentContext) -> None:
    """Refused (3) where the environment has no archive location."""
    from ledgerflow_ops.operations.archive import archiving

    archiving.require_locations(env)


def _finish(env: EnvironmentContext, terminal: Terminal, fields: Mapping[str, Any], code: int) -> NoReturn:
    terminal.finish({"environment": env.environment, **fields, "exit_code": code})
    sys.exit(code)


@click.command(cls=Command, examples=("storage", "storage --env prod --json"))
@ANY_ENV
@JSON
def storage(json: bool) -> None:
    """Show the bytes in each location, how fast they grow, and what retention will free.

    Growth is what came within the last 30 days and is still there.
    """
    from ledgerflow_ops.operations.archive import storage_report
    from ledgerflow_ops.operations.reporting import storage_screen

    call = Call(json)
    usages = storage_report.measure_storage(call.envs())
    clear(call.ctx.reporter)
    storage_screen.show(usages, call.terminal)
    code = LedgerError.exit_code if any(usage.trouble for usage in usages) else 0
    call.terminal.finish({"locations": [usage.as_json() for usage in usages], "exit_code": code})
    sys.exit(code)


COMMANDS = (archive, repair, storage)
