"""The order to rotate, from the terminal, carried out on Dagster's record."""

from typing import Any

from ledgerflow_ops.adapters import journal
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.defs.rotation import rotate_job, rotation_step
from ledgerflow_ops.defs.terminal import run
from ledgerflow_ops.operations.desk import Site


def rotated(site: Site, terminal: Terminal, confirm: str) -> int:
    """Rotate as the job does; the exit code."""
    # What a person types in the page stands here already: LEDGER_ENV.
    wanted = {"carry_out": True, "environment": str(site.environment), "confirm": confirm}
    outcome = run(site, rotate_job(site), None, config={rotation_step(site): wanted})
    if isinstance(site.desk.reporter, Progress):
        site.desk.reporter.clear()
    fields: dict[str, Any] = {"environment": str(site.environment), "run_id": outcome.run_id}
    for entry in journal.entries(site.desk.settings.state_dir):
        if entry.get("run_id") == outcome.run_id and entry.get("what") == "rotate":
            fields |= {name: value for name, value in entry.items() if name not in ("who", "why", "what")}
    _say(site, terminal, fields)
    failure = outcome.failure
    fields["exit_code"] = failure.exit_code if failure else 0
    if failure:
        terminal.error(failure.message, failure.hint)
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    terminal.finish(fields)
    return failure.exit_code if failure else 0


def _say(site: Site, terminal: Terminal, fields: dict[str, Any]) -> None:
    if "removed" not in fields:
        return
    for name in fields["removed"]:
        terminal.say(f"  removed {name}")
    for name in fields["finished"]:
        terminal.say(f"  finished what an earlier rotation began: {name}")
    for name, why in fields["left"].items():
        terminal.say(f"  left {name}: {why}", "yellow")
    count = len(fields["removed"])
    terminal.say(f"{site.environment}: {count} removed, {fields['kept']} kept.", "bold green")
