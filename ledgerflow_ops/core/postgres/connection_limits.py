"""How many sessions an account may have at once, and whether that is enough for what is to be done."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerflow_ops.core.hints import Hint

BACKUP = 3
"""The session that holds the snapshot, pg_dump, and the pg_dump that prints the DDL."""


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """One limit: `of` is what it is set on, `most` what it allows, `others` what is taken by somebody else.

    `more` is what raises it, to a number put in for {}.
    """

    of: str
    most: int
    others: int
    more: str

    @property
    def left(self) -> int:
        return max(0, self.most - self.others)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What keeps an operation from its sessions. One that `passes` is due to sessions of others."""

    message: str
    hint: Hint
    passes: bool


def shortage(limits: Iterator[ConnectionLimit], needed: int, what: str) -> Shortage | None:
    """The limit that leaves the fewest sessions, if those are not enough for `what`."""
    tight = min(limits, key=lambda limit: limit.left, default=None)
    if tight is None or tight.left >= needed:
        return None
    taken = f", and {tight.others} are taken" if tight.others else ""
    return Shortage(
        f"{what} needs {needed} connections at once; {tight.of} allows {tight.most}{taken}.",
        Hint(tight.more.format(needed + tight.others)),
        tight.most >= needed,
    )
