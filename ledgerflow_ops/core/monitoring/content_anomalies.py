"""Anomalies of the newest backup's contents: tables, rows, schema, or that nothing has changed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import nan

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.expected_ranges import WIDTHS, compute_ranges, known_values, median

Tables = Mapping[str, Sequence[float]]
"""The rows of each table in one backup after the other; NaN where a backup has no such table."""
WINDOW = 56
"""How many earlier backups, one a day, are compared."""
RECENT = 7
"""A missing table is reported for so many backups; after that its absence is normal."""
LEAST_LEARNT = 14
"""How many backups must show a pattern before it is relied on."""
SHRUNK_ROWS, SHRUNK_SHARE = 10, 0.01
"""A table that is append-only by observation, not by settings, may lose this many rows or this share of its
rows, whichever is larger."""
GREAT_SHARE = 0.1
"""A loss of this share of such a table is critical."""
_STEADY = 0.1
"""A table whose rows change by more than this share on most days (a queue) is not checked for its rows."""
_SEEN = 3
_GROWS = 0.5
_CHANGES = 0.8
_PATIENCE = 3


def find_content_anomalies(chosen: Sequence[BackupSummary], append_only: Sequence[str]) -> list[Finding]:
    """The anomalies of the last of `chosen`: backups of one environment, one a day, oldest first."""
    recent = list(chosen[-WINDOW - 1 :])
    names = dict.fromkeys(table for summary in recent for table in summary.tables)
    tables = {table: [summary.tables.get(table, nan) for summary in recent] for table in names}
    unchanged = list(_unchanged_contents(recent))
    losses = [
        *_missing_tables(recent, tables, append_only),
        *_shrunk_tables(recent, tables, append_only),
        *_schema_change(recent),
    ]
    rows = [] if losses else list(_unusual_row_counts(recent, tables))
    return [*losses, *rows, *(unchanged or _stopped_growth(recent, tables))]


def loss_cause(newest: BackupSummary) -> str:
    """The cause that findings of lost data share."""
    return f"{newest.environment} holds less than before"


def pin_hint(before: BackupSummary) -> Hint:
    """The hint where data may be lost: keep the last backup that has it."""
    return Hint(
        "If this was not intended, keep the last backup that has the data: ",
        make("pin", before.environment, FILE=before.name.dump, REASON="before a loss"),
    )


def _missing_tables(
    recent: list[BackupSummary], tables: Tables, append_only: Sequence[str]
) -> Iterator[Finding]:
    """Tables that the last backups had and the newest lacks, except those that come and go."""
    newest = recent[-1]
    last = recent[-RECENT - 1 : -1]
    for table in tables:
        seen = sum(table in summary.tables for summary in last)
        present = [table in summary.tables for summary in recent]
        if table in newest.tables or seen < min(_SEEN, len(last)) or _comes_and_goes(present):
            continue
        holder = next(summary for summary in reversed(recent) if table in summary.tables)
        rows = holder.tables[table]
        level = Level.CRITICAL if rows or table in append_only else Level.WARNING
        message = (
            f"{newest.name.dump}: the table {table} is missing. {holder.name.dump} has it with {rows:,} "
            "rows; "
            f"{seen} of the {len(last)} backups of {last[0].day} to {last[-1].day} have it."
        )
        figures = {"found": 0.0, "expected": float(rows)}
        yield Finding(
            newest.environment,
            "table gone",
            table,
            level,
            message,
            pin_hint(holder),
            loss_cause(newest),
            figures=figures,
        )


def _comes_and_goes(present: list[bool]) -> bool:
    """Whether a table has been missing before and came back."""
    since = present[present.index(True) :] if True in present else []
    return any(not before and after for before, after in pairwise(since))


def _shrunk_tables(
    recent: list[BackupSummary], tables: Tables, append_only: Sequence[str]
) -> Iterator[Finding]:
    """Append-only tables with fewer rows than before.

    They are append-only by the settings or by observation.
    """
    newest = recent[-1]
    for table, now in newest.tables.items():
        rows = tables[table][:-1]
        most = max(known_values(rows[-RECENT:]), default=nan)
        if not now < most:
            continue
        place = max(number for number, value in enumerate(rows) if value == most)
        declared, lost = table in append_only, most - now
        learnt = lost > max(SHRUNK_ROWS, SHRUNK_SHARE * most) and _only_grew(rows[: place + 1])
        if not declared and not learnt:
            continue
        level = Level.CRITICAL if declared or lost >= GREAT_SHARE * most else Level.WARNING
        why = "by the settings" if declared else f"as in all {place + 1} backups up to then"
        message = (
            f"{newest.name.dump}: {table} has {now:,} rows; {recent[place].name.dump} has "
            f"{int(most):,}. The table only grows, {why}."
        )
        figures = {"found": float(now), "expected": float(most)}
        hint = pin_hint(recent[place])
        yield Finding(
            newest.environment, "rows lost", table, level, message, hint, loss_cause(newest), figures=figures
        )


def _only_grew(rows: Sequence[float]) -> bool:
    steps = [after - before for before, after in pairwise(known_values(rows))]
    if len(steps) + 1 < LEAST_LEARNT or min(steps) < 0:
        return False
    return sum(step > 0 for step in steps) >= _GROWS * len(steps)


def _unusual_row_counts(recent: list[BackupSummary], tables: Tables) -> Iterator[Finding]:
    """Tables with far more or fewer rows than expected from their trend and weekdays."""
    newest, width = recent[-1], WIDTHS["rows"]
    for table, now in newest.tables.items():
        rows = tables[table][:-1]
        usual = median(rows[-RECENT:])
        if not abs(now - usual) > max(width.least, min(width.below, width.above) * usual):
            continue  # a quick test that settles nearly all tables
        if not median([abs(after - before) for before, after in pairwise(rows)]) <= _STEADY * usual:
            continue
        days = {summary.day: value for summary, value in zip(recent, tables[table], strict=True)}
        low, middle, high = compute_ranges(days, width, {})[-1]
        if not (now < low or now > high):
            continue
        known = [summary.day for summary in recent[:-1] if table in summary.tables]
        message = (
            f"{newest.name.dump}: {table} has {now:,} rows; {low:,.0f} to {high:,.0f} were expected, "
            f"from {len(known)} backups of {known[0]} to {known[-1]}."
        )
        less = now < low
        cause = loss_cause(newest) if less else f"{newest.environment} holds more than before"
        hint = pin_hint(recent[-2]) if less else Hint("What has grown? ", make("status", newest.environment))
        figures = {"found": float(now), "low": low, "expected": middle, "high": high}
        yield Finding(newest.environment, "rows", table, Level.WARNING, message, hint, cause, figures=figures)


def _schema_change(recent: list[BackupSummary]) -> Iterator[Finding]:
    """The schema differs from that of the backup of the day before."""
    newest, before = recent[-1], recent[-2]
    if newest.schema != before.schema:
        message = f"{newest.name.dump}: its schema differs from that of {before.name.dump} of {before.day}."
        hint = Hint(
            "After a migration there is nothing to do. If there was none, keep the last backup "
            "before the change: ",
            make("pin", before.environment, FILE=before.name.dump, REASON="before a change"),
        )
        yield Finding(newest.environment, "schema", "schema", Level.WARNING, message, hint)


def _unchanged_contents(recent: list[BackupSummary]) -> Iterator[Finding]:
    """The same contents for several days, in a database that used to change nearly every day."""
    changes = [after.contents != before.contents for before, after in pairwise(recent)]
    run = _trailing_standstill(changes)
    if not _is_unusual_standstill(run, changes[: len(changes) - run], share=_CHANGES, least=2):
        return
    newest, first = recent[-1], recent[-1 - run]
    message = (
        f"{newest.name.dump}: its contents are those of {first.name.dump} and of every backup in between. "
        f"Before that they changed on {sum(changes)} of {len(changes) - run} days from {recent[0].day} on."
    )
    hint = Hint("Is it still the database in use? ", make("identity", newest.environment))
    figures = {"found": float(run), "expected": 0.0}
    yield Finding(
        newest.environment, "same contents", "contents", Level.WARNING, message, hint, figures=figures
    )


def _stopped_growth(recent: list[BackupSummary], tables: Tables) -> Iterator[Finding]:
    """Tables that used to grow, and have not grown for far longer than any pause before."""
    newest = recent[-1]
    for table in newest.tables:
        days = [summary.day for summary in recent if table in summary.tables]
        rows = known_values(tables[table])
        steps = [after > before for before, after in pairwise(rows)]
        run = _trailing_standstill(steps)
        before = steps[: len(steps) - run]
        if not _is_unusual_standstill(run, before, share=_GROWS, least=_PATIENCE + 1):
            continue
        first = days[-1 - run]
        message = (
            f"{newest.name.dump}: {table} has not grown since {first} ({int(rows[-1]):,} rows). From "
            f"{days[0]} to {first} it grew on {sum(before)} of {len(before)} days; its longest pause was "
            f"{count_of(_longest_standstill(before), 'day')}."
        )
        hint = Hint("Is it still the database in use? ", make("identity", newest.environment))
        figures = {"found": float(run), "expected": float(_longest_standstill(before))}
        cause = f"{newest.environment} no longer grows"
        yield Finding(
            newest.environment, "growth stopped", table, Level.WARNING, message, hint, cause, figures=figures
        )


def _trailing_standstill(steps: Sequence[bool]) -> int:
    """How many of the last steps in a row brought no change."""
    return next((place for place, step in enumerate(reversed(steps)) if step), len(steps))


def _longest_standstill(steps: Sequence[bool]) -> int:
    return max((len(list(run)) for step, run in groupby(steps) if not step), default=0)


def _is_unusual_standstill(run: int, before: Sequence[bool], *, share: float, least: int) -> bool:
    """Whether a standstill is unusual: longer than three times any earlier one.

    It is judged only where at least `share` of the days before brought a change.
    """
    if len(before) < LEAST_LEARNT or sum(before) < share * len(before):
        return False
    return run >= max(least, _PATIENCE * _longest_standstill(before) + 1)
