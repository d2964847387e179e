"""The plan of a rotation at the terminal."""

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.archive.location_retention import retaining_locations
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention.rotate import PlannedRotation


def show(planned: PlannedRotation, terminal: Terminal) -> None:
    """The plan in words: first what expires, then what stays, each with every reason."""
    plan, environment = planned.plan, planned.env.environment
    terminal.say(
        f"{environment}: {len(plan.expired)} of {count_of(len(plan.decisions), 'backup')} would be removed "
        f"({format_size(planned.size)}). Nothing was changed.",
        "bold",
    )
    if plan.since:
        terminal.say(f"  measured from the newest proven recovery point, {plan.since:%Y-%m-%d %H:%M %Z}")
    for decision in sorted(plan.decisions, key=lambda entry: not entry.expires):
        word = "EXPIRE" if decision.expires else "keep"
        terminal.say(f"  {word:<7}{decision.name}.dump: {'; '.join(decision.reasons)}")
    for name in planned.strangers:
        terminal.say(f"  left   {name}: no manifest of {environment} commits it; rotation never removes it")
    for removal in planned.unfinished:
        terminal.say(f"  finish {removal.file}: an earlier rotation began to remove it")
    if plan.asks:
        terminal.say(f"  This has to be confirmed: {plan.asks}. CONFIRM={environment}", "yellow")


def show_retaining_locations(env: EnvironmentContext, terminal: Terminal) -> None:
    """Name the locations that a rotation leaves alone, and the command that lists what expires in them."""
    places = [place_name(at) for at in retaining_locations(env)]
    if places:
        command = make("archive", env.environment, DRY_RUN=1)
        terminal.say(f"  Rotated apart, by their own retention: {', '.join(places)}. {command} lists it.")
