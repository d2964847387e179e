"""What the commands that bring data back say: the plan of a dry run, or what came of a run."""

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


def show_rollback(terminal: Terminal, planned: "Rollback") -> int:
    """What a rollback would do, in words and as JSON; 0."""
    terminal.say(f"{planned.back.name} would become {planned.database}.", "bold")
    if planned.away:
        terminal.say(f"What is live now would stay as {planned.away}.")
    terminal.finish({**planned.as_json(), "dry_run": True, "exit_code": 0})
    return 0


def show_candidates(
    env: EnvironmentContext, terminal: Terminal, state: str, candidates: "Sequence[LocatedDump]"
) -> int:
    """What a recovery would try in which order, and the `state` of the database; 0."""
    terminal.say(state, "bold")
    for one in candidates:
        terminal.say(f"  would try {one.file}: {one.entry.state}")
    fields = {"primary": state, "candidates": [one.file for one in candidates]}
    terminal.finish({"environment": str(env.environment), **fields, "dry_run": True, "exit_code": 0})
    return 0


def show(env: EnvironmentContext, terminal: Terminal, result: FinishedRun, done: str) -> int:
    """What came of a run, as the journal has it: the environment is `done`, or why not. The exit code."""
    clear(env.ctx.reporter)
    entries = [
        one
        for one in journal_file.read_entries(env.ctx.settings.state_dir)
        if one.get("run_id") == result.run_id
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
        "kept": lambda value: Hint(f"the old database stays as {value}; ", make("rollback"), " swaps back"),
        "away": lambda value: Hint(f"what was live stays as {value}; ", make("rollback"), " swaps back"),
        "incident": lambda value: f"the record: incidents/{value}.md beside the backups",
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
