"""Orders from the terminal that change an environment's database."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.restore.restore_plan import RestorePlan, Wish, needs_confirmation
from ledgerflow_ops.defs.jobs import restore_jobs
from ledgerflow_ops.defs.runs.run_results import Failure
from ledgerflow_ops.defs.terminal_runs import run
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import recover, restore, rollback, target_inspection


def restored(env: EnvironmentContext, terminal: Terminal, wish: Wish, *, dry_run: bool) -> int:
    """Restore, or with `dry_run` say what would be done; the exit code."""
    if dry_run:
        return _planned(terminal, restore.prepare(env, wish).plan)
    wish = _asked(env, wish)
    config = {
        "file": wish.file,
        "from_env": str(wish.source) if wish.source else None,
        "confirm": wish.confirmed,
        "force": wish.force,
    }
    return _carried_out(env, terminal, restore_jobs.restore_job(env), config, "restored")


def rolled_back(env: EnvironmentContext, terminal: Terminal, *, force: bool, dry_run: bool) -> int:
    """Swap back, or say what would be; the exit code."""
    if dry_run:
        planned = rollback.plan_rollback(env, target_inspection.inspect(env), force=force)
        terminal.say(f"{planned.back.name} would become {planned.database}.", "bold")
        if planned.away:
            terminal.say(f"What is live now would stay as {planned.away}.")
        terminal.finish({**planned.as_json(), "dry_run": True, "exit_code": 0})
        return 0
    return _carried_out(env, terminal, restore_jobs.rollback_job(env), {"force": force}, "rolled back")


def recovered(env: EnvironmentContext, terminal: Terminal, *, confirmed: str, dry_run: bool) -> int:
    """Recover, or say what would be tried in which order; the exit code."""
    if dry_run:
        state = recover.refuse_healthy(env, confirmed)
        found = recover.candidates(env)
        terminal.say(state, "bold")
        for one in found:
            terminal.say(f"  would try {one.file}: {one.entry.state}")
        fields = {"primary": state, "candidates": [one.file for one in found]}
        terminal.finish({"environment": str(env.environment), **fields, "dry_run": True, "exit_code": 0})
        return 0
    return _carried_out(env, terminal, restore_jobs.recover_job(env), {"confirm": confirmed}, "recovered")


def discarded(env: EnvironmentContext, terminal: Terminal, name: str) -> int:
    """Drop a database that a restore had put aside; the exit code."""
    dropped = restore_leftovers.discard(env, name)
    terminal.say(f"Dropped {dropped}.")
    terminal.finish({"environment": str(env.environment), "dropped": dropped, "exit_code": 0})
    return 0


def _asked(env: EnvironmentContext, wish: Wish) -> Wish:
    """The wish with what a person types at the terminal, where that is needed and somebody is there."""
    if wish.confirmed or not sys.stdin.isatty():
        return wish
    origin = env.ctx.env(wish.origin)
    try:
        manifest = catalog.entry(origin, catalog.find(origin, wish.file)).manifest
    except LedgerError:
        return wish
    if not needs_confirmation(wish, manifest):
        return wish
    question = f"This puts data of {wish.origin} into {Environment.PROD}. Type the environment's name"
    typed = click.prompt(question, default="", show_default=False, err=True)
    return Wish(wish.environment, wish.file, wish.source, typed, wish.force)


def _planned(terminal: Terminal, plan: RestorePlan) -> int:
    """The plan in words and as JSON; 3 when it would be refused."""
    terminal.say(f"{plan.candidate.name.dump} into {plan.target.database}: nothing was touched.", "bold")
    for action in plan.actions:
        terminal.say(f"  would {action.what}: {action.why}")
    for warning in plan.warnings:
        terminal.say(f"  note: {warning.message}", "yellow")
    for refusal in plan.refusals:
        terminal.error(refusal.message, refusal.hint)
    code = Refused.exit_code if plan.refusals else 0
    terminal.finish({**plan.as_json(), "dry_run": True, "exit_code": code})
    return code


def _carried_out(
    env: EnvironmentContext, terminal: Terminal, job: str, config: Mapping[str, Any], done: str
) -> int:
    """Run the job, tell what came of it, as the journal has it.

    What a person types in the page stands here already: LEDGER_ENV.
    """
    outcome = run(env, job, None, config={f"{job}_op": {"environment": str(env.environment), **config}})
    if isinstance(env.ctx.reporter, Progress):
        env.ctx.reporter.clear()
    entries = [
        one for one in journal_file.entries(env.ctx.settings.state_dir) if one.get("run_id") == outcome.run_id
    ]
    fields: dict[str, Any] = {"environment": str(env.environment), "run_id": outcome.run_id}
    for entry in entries:
        fields |= {name: value for name, value in entry.items() if name not in ("who", "why")}
    failure = outcome.failure
    _say(terminal, fields, failure, f"{env.environment} is {done}.")
    fields["exit_code"] = failure.exit_code if failure else 0
    if failure:
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    terminal.finish(fields)
    return failure.exit_code if failure else 0


def _say(terminal: Terminal, fields: Mapping[str, Any], failure: Failure | None, done: str) -> None:
    lines: dict[str, Callable[[Any], str]] = {
        "file": lambda value: f"from {value}",
        "safety_backup": lambda value: f"safety backup, proven and pinned: {value}",
        "kept": lambda value: f"the old database stays as {value}; make rollback swaps back",
        "away": lambda value: f"what was live stays as {value}; make rollback swaps back",
        "incident": lambda value: f"the record: incidents/{value}.md beside the backups",
    }
    if not failure:
        terminal.say(done, "bold green")
    for name, words in lines.items():
        if fields.get(name):
            terminal.say(f"  {words(fields[name])}")
    for check in fields.get("checks", ()):
        mark = "ok" if check["passed"] else check["severity"]
        terminal.say(f"  {mark:<5} {check['name']}: {check['message']}")
    if failure:
        terminal.error(failure.message, failure.hint)
