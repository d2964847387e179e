"""The order to rotate, from the terminal, carried out on Dagster's record."""

from typing import Any

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.defs.assets.rotation import rotate_job, rotation_step
from ledgerflow_ops.defs.terminal_runs import run
from ledgerflow_ops.operations.context import EnvironmentContext


def rotated(env: EnvironmentContext, terminal: Terminal, confirm: str) -> int:
    """Rotate as the job does; the exit code."""
    # What a person types in the page stands here already: LEDGER_ENV.
    wanted = {"carry_out": True, "environment": str(env.environment), "confirm": confirm}
    outcome = run(env, rotate_job(env), None, config={rotation_step(env): wanted})
    if isinstance(env.ctx.reporter, Progress):
        env.ctx.reporter.clear()
    fields: dict[str, Any] = {"environment": str(env.environment), "run_id": outcome.run_id}
    for entry in journal_file.entries(env.ctx.settings.state_dir):
        if entry.get("run_id") == outcome.run_id and entry.get("what") == "rotate":
            fields |= {name: value for name, value in entry.items() if name not in ("who", "why", "what")}
    _say(env, terminal, fields)
    failure = outcome.failure
    fields["exit_code"] = failure.exit_code if failure else 0
    if failure:
        terminal.error(failure.message, failure.hint)
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    terminal.finish(fields)
    return failure.exit_code if failure else 0


def _say(env: EnvironmentContext, terminal: Terminal, fields: dict[str, Any]) -> None:
    if "removed" not in fields:
        return
    for name in fields["removed"]:
        terminal.say(f"  removed {name}")
    for name in fields["finished"]:
        terminal.say(f"  finished what an earlier rotation began: {name}")
    for name, why in fields["left"].items():
        terminal.say(f"  left {name}: {why}", "yellow")
    count = len(fields["removed"])
    terminal.say(f"{env.environment}: {count} removed, {fields['kept']} kept.", "bold green")
