"""A run that changes a database or removes backups must name its environment in its run config.

On the page the jobs of the three environments look alike.
"""

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint


def require_typed_environment(environment: Environment, typed: str, repeats: str | None) -> None:
    """Refused (exit code 3) unless a person typed the environment's name for this run.

    `repeats` is the id of the run that this one re-executes: its run config is a copy, which nobody typed.
    """
    hint = Hint(f"In the job's Launchpad, set environment: {environment} and launch it.")
    if repeats:
        raise Refused(f"This run re-executes {repeats} with a copy of its run config.", hint=hint)
    if typed != environment:
        raise Refused(
            f"This run would change {environment}, and its run config names "
            + (f"{typed!r}." if typed else "no environment."),
            hint=hint,
        )


def require_chosen_file(chosen: str | None, file: str) -> None:
    """Refused if the run's partition, the backup that was chosen in the launchpad, is not its file.

    The page's lists of runs show the partition: it must not name another backup than the one restored.
    """
    if chosen is not None and chosen != file:
        raise Refused(
            f"This run has two backups: {chosen} was chosen as its partition, and its run config has "
            f"file: {file}.",
            hint=Hint(
                f"In the job's Launchpad, choose {file} as the partition; or remove the tag "
                "dagster/partition there and launch it again."
            ),
        )
