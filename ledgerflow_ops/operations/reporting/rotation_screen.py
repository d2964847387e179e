"""What a rotation would do, at the terminal."""

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.retention.rotate import PlannedRotation


def show(found: PlannedRotation, terminal: Terminal) -> None:
    """The plan in words: what goes first, then what stays, each with every reason."""
    plan, environment = found.plan, found.env.environment
    terminal.say(
        f"{environment}: {len(plan.expired)} of {len(plan.decisions)} backups would go "
        f"({format_size(found.size)}). Nothing was touched.",
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
