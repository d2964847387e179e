"""Which of Dagster's past runs may go: all that are older than the history, but for those the pages show."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunCleanup:
    """What is done with the runs that are older than the history, by their ids.

    `remove` go, the oldest first; `close` were never ended, by anybody, and are ended on record; `shown`
    stay because a page needs them; `waiting` would go as well, next time.
    """

    remove: tuple[str, ...]
    close: tuple[str, ...]
    shown: int
    waiting: int


def plan_cleanup(
    ended: Sequence[str], unended: Sequence[str], shown: Collection[str], limit: int
) -> RunCleanup:
    """Decide over runs that nothing has happened to since the history began, the oldest first.

    `ended` have ended, `unended` have not; `shown` are those that a page needs. At most `limit` are removed,
    and as many closed: what is closed now is removed when it has been history for as long again.
    """
    superfluous = [run_id for run_id in ended if run_id not in shown]
    remove = tuple(superfluous[:limit])
    return RunCleanup(
        remove=remove,
        close=tuple(unended[:limit]),
        shown=len(ended) - len(superfluous),
        waiting=len(superfluous) - len(remove),
    )
