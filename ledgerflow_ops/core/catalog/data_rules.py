"""Data rules: what must be true of the data inside a backup, whatever the schema says."""

import re
from dataclasses import dataclass

from ledgerflow_ops.core.counts import count_of

NO_RULES = "No data rule is set: the restored copy was compared with the source, and with nothing else."
_EARLIER = re.compile(r"All 0 data rules hold\.")
"""How proofs of earlier versions say that there was no rule."""


@dataclass(frozen=True, slots=True)
class DataRule:
    """One SQL query with the value it must return.

    `sql` returns one row with one column; `expect` is that value as PostgreSQL prints it as text.
    Rules run read-only in the restored copy, never in the live database.
    """

    name: str
    sql: str
    expect: str


def held_sentence(count: int) -> str:
    """How a proof says that all of the environment's `count` rules hold."""
    if not count:
        return NO_RULES
    return f"All {count_of(count, 'data rule')} hold." if count > 1 else "The data rule holds."


def as_said_now(sentence: str) -> str:
    """The sentence of a stored proof, as this version says it."""
    return _EARLIER.sub(NO_RULES, sentence)
