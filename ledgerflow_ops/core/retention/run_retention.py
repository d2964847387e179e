"""Which of Dagster's past runs are removed: all that are older than the history, except those that pages
show.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunCleanup:
    """What is done with the runs that are older than the history, by their ids.

    `remove` is ordered, the oldest first. Runs in `close` never ended and are marked as ended. `shown` counts
    those that are kept because a page needs them, `waiting` those that are removed next time.
    """

    remove: tuple[str, ...]
    close: tuple[str, ...]
    shown: int
    waiting: int


def plan_cleanup(
    ended: Sequence[str], unended: Sequence[str], shown: Collection[str], limit: int
) -> RunCleanup:
    """The cleanup of runs whose last event is older than the history. All are ordered, the oldest first.

    `ended` have ended, `unended` have not; `shown` are those that a page needs. At most `limit` are removed,
    and as many closed. A run closed now is removed after another such period.
    """
    superfluous = [run_id for run_id in ended if run_id not in shown]
    remove = tuple(superfluous[:limit])
    return RunCleanup(
        remove=remove,
        close=tuple(unended[:limit]),
        shown=len(ended) - len(superfluous),
        waiting=len(superfluous) - len(remove),
    )
