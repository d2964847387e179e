"""A run that changes a database or removes backups names its environment: jobs look alike in a page."""

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint


def require_typed_environment(environment: Environment, typed: str, repeats: str | None) -> None:
    """Refused unless somebody typed the environment's name for this very run.

    `repeats` is the run that this one executes again: its run config is a copy, and nobody typed anything.
    """
    again = Hint(f"In the job's Launchpad, set environment: {environment} and launch it.")
    if repeats:
        raise Refused(
            f"This run executes {repeats} again, with a copy of what was typed for that one.", hint=again
        )
    if typed != environment:
        raise Refused(
            f"This run would change {environment}, and its run config names "
            + (f"{typed!r}." if typed else "no environment."),
            hint=again,
        )
