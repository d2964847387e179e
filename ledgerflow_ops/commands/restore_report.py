"""The output of the restore commands: the plan of a dry run, or the result of a run."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.finished_run import Failure, FinishedRun
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.restore.restore_plan import RestorePlan
    from ledgerflow_ops.operations.restore.recover import LocatedDump
    from ledgerflow_ops.operations.restore.rollback import Rollback


def show_plan(terminal: Terminal, plan: "RestorePlan") -> int:
    """Print the plan for people and as JSON; returns 3 if the restore would be refused, else 0."""
    terminal.say(f"{plan.candidate.name.dump} into {plan.target.database}: nothing was changed.", "bold")
    for action in plan.actions:
        terminal.say(f"  would {action.what}: {action.why}")
    for warning in plan.warnings:
        terminal.say(f"  note: {warning.message}", "yellow")
    for refusal in plan.refusals:
        terminal.error(refusal.message, refusal.hint)
    code = Refused.exit_code if plan.refusals else 0
    terminal.finish({**plan.as_json(), "dry_run": True, "exit_code": code})
    return code


def show_rollback(terminal: Terminal, planned: "Rollback") -> int:
    """Print what a rollback would do, for people and as JSON; returns 0."""
    terminal.say(f"{planned.back.name} would become {planned.database}.", "bold")
    if planned.away:
        terminal.say(f"The live database would be kept as {planned.away}.")
    terminal.finish({**planned.as_json(), "dry_run": True, "exit_code": 0})
    return 0


def show_candidates(
    env: EnvironmentContext, terminal: Terminal, state: str, candidates: "Sequence[LocatedDump]"
) -> int:
    """Print the `state` of the database, and what a recovery would try in which order; returns 0."""
    terminal.say(state, "bold")
    for candidate in candidates:
        terminal.say(f"  would try {candidate.file}: {candidate.entry.state}")
    fields = {"primary": state, "candidates": [candidate.file for candidate in candidates]}
    terminal.finish({"environment": str(env.environment), **fields, "dry_run": True, "exit_code": 0})
    return 0


def show_result(env: EnvironmentContext, terminal: Terminal, result: FinishedRun, done: str) -> int:
    """Print the result of a run, with details from the journal; returns the exit code.

    `done` completes "prod is …" for a run that succeeded.
    """
    clear(env.ctx.reporter)
    entries = [
        line
        for line in journal_file.read_entries(env.ctx.settings.state_dir)
        if line.get("run_id") == result.run_id
    ]
    fields: dict[str, Any] = {"environment": str(env.environment), "run_id": result.run_id}
    for entry in entries:
        fields |= {name: value for name, value in entry.items() if name not in ("who", "why")}
    _say(terminal, fields, result.failure, f"{env.environment} is {done}.")
    fields["exit_code"] = result.exit_code
    if failure := result.failure:
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    terminal.finish(fields)
    return result.exit_code


def _say(terminal: Terminal, fields: Mapping[str, Any], failure: Failure | None, done: str) -> None:
    lines: dict[str, Callable[[Any], str | Hint]] = {
        "file": lambda value: f"from {value}",
        "safety_backup": lambda value: f"safety backup, proven and pinned: {value}",
        "kept": lambda value: Hint(
            f"the previous database is kept as {value}; ", make("rollback"), " swaps it back"
        ),
        "away": lambda value: Hint(
            f"the database that was live is kept as {value}; ", make("rollback"), " swaps it back"
        ),
        "incident": lambda value: f"the incident record: incidents/{value}.md beside the backups",
    }
    if not failure:
        terminal.say(done, "bold green")
    for name, words in lines.items():
        if fields.get(name):
            terminal.say(Hint("  ", words(fields[name])))
    for check in fields.get("checks", ()):
        mark = "ok" if check["passed"] else check["severity"]
        terminal.say(f"  {mark:<5} {check['name']}: {check['message']}")
    if failure:
        terminal.error(failure.message, failure.hint)
