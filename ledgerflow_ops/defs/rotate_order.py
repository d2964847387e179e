"""The order to rotate, from the terminal: the plan in words, or carried out on Dagster's record."""

from typing import Any

from ledgerflow_ops.adapters import journal
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.defs.rotation import rotate_job, rotation_step
from ledgerflow_ops.defs.terminal import run
from ledgerflow_ops.operations import rotate
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.rotate import Planned


def planned(site: Site, terminal: Terminal, confirm: str) -> int:
    """Say what a rotation would do; 3 where it would be refused without a confirmation."""
    found = rotate.plan(site)
    show(found, terminal)
    code = Refused.exit_code if found.plan.asks and confirm != site.environment else 0
    terminal.finish({**found.as_json(), "dry_run": True, "exit_code": code})
    return code


def rotated(site: Site, terminal: Terminal, confirm: str) -> int:
    """Rotate as the job does; the exit code."""
    rotate.plan(site).require(confirm)  # before there is a run: what is refused leaves no red one behind
    config = {rotation_step(site): {"carry_out": True, "confirm": confirm}}
    outcome = run(site, rotate_job(site), None, config=config)
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


def show(found: Planned, terminal: Terminal) -> None:
    """The plan in words: what goes first, then what stays, each with every reason."""
    plan, environment = found.plan, found.site.environment
    terminal.say(
        f"{environment}: {len(plan.expired)} of {len(plan.decisions)} backups would go "
        f"({human(found.size)}). Nothing was touched.",
        "bold",
    )
    if plan.since:
        terminal.say(f"  measured from the newest proven recovery point, {plan.since:%Y-%m-%d %H:%M %Z}")
    for decision in sorted(plan.decisions, key=lambda one: not one.expires):
        word = "EXPIRE" if decision.expires else "keep"
        terminal.say(f"  {word:<7}{decision.name}.dump: {'; '.join(decision.reasons)}")
    for name in found.strangers:
        terminal.say(f"  left   {name}: no manifest of {environment} commits it; it is never touched")
    for going in found.unfinished:
        terminal.say(f"  finish {going.file}: an earlier rotation has begun to remove it")
    if plan.asks:
        terminal.say(f"  This has to be confirmed: {plan.asks}. CONFIRM={environment}", "yellow")


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
