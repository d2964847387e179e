"""A database or a table in which nothing happens any more.

A pause is measured by how improbable its days are, given how often the table grew on their weekdays before.
Weekends of an office, and the days between weekly imports, hardly count.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from math import log10

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.expected_ranges import median

LEAST_LEARNT = 14
"""How many backups must show a pattern before it is relied on."""
_WINDOW = 56
"""How many steps tell whether a database used to change."""
_CHANGES = 0.8
_PATIENCE = 3
_IMPROBABLE = 2.5
"""A pause is unusual from this improbability on: a power of ten, 1 in 300, for one table that grows. Each
further one makes a pause somewhere by chance as much more probable (the Bonferroni correction).
"""
_IDLE = 2
"""So many times as improbable where days count on which no other table grew as usual either: holidays."""
_AS_USUAL = 0.25
"""A table grows as usual on a day with this share of its median growth, or more."""
_MOST = 0.5
"""A day without growth counts where the table grew on this share of its weekday's days, or more."""
_LEAST_OF_WEEKDAY = 4
_SHRINKS = 1 / 60


@dataclass(frozen=True, slots=True)
class _Table:
    """The steps of a table: the day of each backup but the first, and the rows that were added."""

    name: str
    days: Sequence[date]
    added: Sequence[float]
    rows: int

    @property
    def run(self) -> int:
        """How many of the last steps in a row brought no growth."""
        return _trailing_standstill([step > 0 for step in self.added])


def find_standstill(recent: Sequence[BackupSummary]) -> list[Finding]:
    """The same contents for days, or else tables that no longer grow, in the last of `recent`.

    They are backups of one environment, one a day, oldest first.
    """
    unchanged = list(_unchanged_contents(recent[-_WINDOW - 1 :]))
    return unchanged or list(_stopped_growth(recent))


def standstill_cause(newest: BackupSummary) -> str:
    """The cause that these findings share."""
    return f"{newest.environment} no longer grows"


def _unchanged_contents(recent: Sequence[BackupSummary]) -> Iterator[Finding]:
    """The same contents for several days, in a database that used to change nearly every day."""
    changes = [after.contents != before.contents for before, after in pairwise(recent)]
    run = _trailing_standstill(changes)
    before = changes[: len(changes) - run]
    if len(before) < LEAST_LEARNT or sum(before) < _CHANGES * len(before):
        return
    if run < max(3, _PATIENCE * _longest_standstill(before) + 1):
        return
    newest, first = recent[-1], recent[-1 - run]
    message = (
        f"{newest.name.dump}: its contents are those of {first.name.dump} and of every backup in between. "
        f"Before that they changed on {sum(changes)} of {len(changes) - run} days from {recent[0].day} on."
    )
    hint = Hint("Is it still the database in use? ", make("identity", newest.environment))
    figures = {"found": float(run), "expected": 0.0}
    yield Finding(
        newest.environment,
        "same contents",
        "contents",
        Level.WARNING,
        message,
        hint,
        standstill_cause(newest),
        figures=figures,
    )


def _stopped_growth(recent: Sequence[BackupSummary]) -> Iterator[Finding]:
    """Tables that used to grow, and have not grown for longer than in any pause before."""
    newest, tables = recent[-1], list(_steps_of_tables(recent))
    usual = {table.name: _days_as_usual(table) for table in tables if _is_growing(table)}
    need = _IMPROBABLE + log10(max(len(usual), 1))
    for table in tables:
        run = table.run
        steps = [step > 0 for step in table.added]
        before = steps[: len(steps) - run]
        if not run or len(before) < LEAST_LEARNT:
            continue
        busy = set[date]().union(*(days for name, days in usual.items() if name != table.name))
        if _is_unusual(table, steps, busy, need) or _is_unusual(table, steps, None, _IDLE * need):
            yield _stopped(newest, table, before, run, recent[0].day)


def _stopped(newest: BackupSummary, table: _Table, before: Sequence[bool], run: int, begin: date) -> Finding:
    first = table.days[-1 - run]
    message = (
        f"{newest.name.dump}: {table.name} has not grown since {first} ({table.rows:,} rows). From "
        f"{begin} to {first} it grew on {sum(before)} of {len(before)} days; its longest pause was "
        f"{count_of(_longest_standstill(before), 'day')}."
    )
    hint = Hint("Is it still the database in use? ", make("identity", newest.environment))
    figures = {"found": float(run), "expected": float(_longest_standstill(before))}
    cause = standstill_cause(newest)
    return Finding(
        newest.environment, "growth stopped", table.name, Level.WARNING, message, hint, cause, figures=figures
    )


def _steps_of_tables(recent: Sequence[BackupSummary]) -> Iterator[_Table]:
    """The steps of each table of the newest backup."""
    for name, rows in recent[-1].tables.items():
        known = [(one.day, one.tables[name]) for one in recent if name in one.tables]
        days = [day for day, _ in known[1:]]
        yield _Table(name, days, [after - before for (_, before), (_, after) in pairwise(known)], rows)


def _is_growing(table: _Table) -> bool:
    """Whether it grows on most days, and hardly ever shrinks."""
    steps = len(table.added)
    grew, shrank = (sum(step > 0 for step in table.added), sum(step < 0 for step in table.added))
    return 2 * grew > steps and shrank <= _SHRINKS * steps


def _days_as_usual(table: _Table) -> set[date]:
    least = _AS_USUAL * median([step for step in table.added if step > 0])
    return {day for day, step in zip(table.days, table.added, strict=True) if step >= least}


def _is_unusual(table: _Table, grew: Sequence[bool], busy: Set[date] | None, need: float) -> bool:
    """Whether the pause at the end is as improbable as that, and more than any before.

    Only `busy` days count, or all. The probability of a day without growth is estimated from the same weekday
    before the pause, by Laplace's rule of succession: (days without growth + 1) / (days + 2).
    """
    before, seen = len(grew) - table.run, defaultdict[int, list[bool]](list)
    for day, step in zip(table.days[:before], grew, strict=False):
        if busy is None or day in busy:
            seen[day.weekday()].append(step)
    worth = {
        weekday: log10((len(steps) + 2) / (len(steps) - sum(steps) + 1))
        for weekday, steps in seen.items()
        if len(steps) >= _LEAST_OF_WEEKDAY and sum(steps) >= _MOST * len(steps)
    }
    longest = pause = 0.0
    for place, (day, step) in enumerate(zip(table.days, grew, strict=True)):
        longest = max(longest, pause) if place < before else longest
        counts = busy is None or day in busy
        pause = 0.0 if step else pause + (worth.get(day.weekday(), 0.0) if counts else 0.0)
    return pause >= need and pause > longest


def _trailing_standstill(steps: Sequence[bool]) -> int:
    """How many of the last steps in a row brought no change."""
    return next((place for place, step in enumerate(reversed(steps)) if step), len(steps))


def _longest_standstill(steps: Sequence[bool]) -> int:
    return max((len(list(run)) for step, run in groupby(steps) if not step), default=0)
