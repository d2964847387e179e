"""Data rules: what must be true of the data inside a backup, whatever the schema says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataRule:
    """One SQL query with the value it must return.

    `sql` returns one row with one column; `expect` is that value as PostgreSQL prints it as text.
    Rules run read-only in the restored copy, never in the live database.
    """

    name: str
    sql: str
    expect: str
