"""The plan of a rotation at the terminal."""

from collections.abc import Callable, Iterable

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.retention.retention_plan import RetentionPlan
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.archive.location_rotation import LocationRotation
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention.location_rotations import LocationOutcome
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
    _show_decisions(plan, planned.file_of, terminal)
    for name in planned.strangers:
        terminal.say(f"  left   {name}: no manifest of {environment} commits it; rotation never removes it")
    for removal in planned.unfinished:
        terminal.say(f"  finish {removal.file}: an earlier rotation began to remove it")
    _show_question(plan, environment, terminal)


def _show_decisions(plan: RetentionPlan, file_of: Callable[[str], str], terminal: Terminal) -> None:
    """First what expires, then what stays, each with every reason."""
    for decision in sorted(plan.decisions, key=lambda entry: not entry.expires):
        word = "EXPIRE" if decision.expires else "keep"
        terminal.say(f"  {word:<7}{file_of(decision.name)}: {'; '.join(decision.reasons)}")


def _show_question(plan: RetentionPlan, environment: Environment, terminal: Terminal) -> None:
    if plan.asks:
        terminal.say(f"  This has to be confirmed: {plan.asks}. CONFIRM={environment}", "yellow")


def show_locations(env: EnvironmentContext, outcomes: Iterable[LocationOutcome], terminal: Terminal) -> None:
    """The plans of the archive locations with a retention of their own, in the same words."""
    for outcome in outcomes:
        if outcome.trouble:
            terminal.error(f"{env.environment} in {outcome.location}: {outcome.left}", outcome.trouble.hint)
        elif outcome.planned is None:
            terminal.say(f"{env.environment} in {outcome.location}: {outcome.left}.", "bold")
        else:
            _show_location(env, outcome.planned, terminal)


def _show_location(env: EnvironmentContext, planned: LocationRotation, terminal: Terminal) -> None:
    plan = planned.plan
    terminal.say(
        f"{env.environment} in {planned.location}, by its own retention: {len(plan.expired)} of "
        f"{count_of(len(plan.decisions), 'backup')} would be removed ({format_size(planned.size)}).",
        "bold",
    )
    _show_decisions(plan, planned.files.__getitem__, terminal)
    _show_question(plan, env.environment, terminal)
