"""How many connections an account may have at once, and whether an operation has enough of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerflow_ops.core.hints import Hint

BACKUP = 3
"""Connections of a backup: the one that holds the snapshot, pg_dump, and the pg_dump that prints the DDL."""


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """One limit. `of` names what it is set on; `most` connections are allowed, `others` are in use.

    `more` is the advice that raises it, with {} for the number.
    """

    of: str
    most: int
    others: int
    more: str

    @property
    def left(self) -> int:
        """The connections that are free."""
        return max(0, self.most - self.others)


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why an operation has too few connections. `passes`: other sessions use them and may end."""

    message: str
    hint: Hint
    passes: bool


def shortage(limits: Iterator[ConnectionLimit], needed: int, what: str) -> Shortage | None:
    """The shortage at the tightest limit, if it leaves fewer than the `needed` connections; else None."""
    tightest = min(limits, key=lambda limit: limit.left, default=None)
    if tightest is None or tightest.left >= needed:
        return None
    taken = f" ({tightest.others} in use)" if tightest.others else ""
    return Shortage(
        f"{what} needs {needed} connections at once; {tightest.of} allows {tightest.most}{taken}.",
        Hint(tightest.more.format(needed + tightest.others)),
        tightest.most >= needed,
    )
