"""What is odd about what the newest backup holds: tables, rows, schema, or that nothing has changed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import nan

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.monitoring.expected_ranges import WIDTHS, compute_ranges, known_values, median

Tables = Mapping[str, Sequence[float]]
"""The rows of each table in one backup after the other; NaN where a backup has no such table."""
WINDOW = 56
"""So many backups, one a day, are looked back at."""
RECENT = 7
"""What is gone is missed for so many backups; then it is how things are."""
LEAST_LEARNT = 14
"""So many backups must have shown a habit before it is taken for one."""
SHRUNK_ROWS, SHRUNK_SHARE = 10, 0.01
"""A table that was only learnt to be append-only may lose so many rows, or this share: the larger of them."""
GREAT_SHARE = 0.1
"""A loss of this share of such a table is critical."""
_STEADY = 0.1
"""A table that changes by more than this on most days is a flow, not a stock: its rows say nothing."""
_SEEN = 3
_GROWS = 0.5
_CHANGES = 0.8
_PATIENCE = 3


def find_content_anomalies(chosen: Sequence[BackupSummary], append_only: Sequence[str]) -> list[Finding]:
    """What is odd about the last of `chosen`: backups of one environment, one a day, oldest first."""
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
    """The cause that findings of lost data have in common."""
    return f"{newest.environment} holds less than before"


def pin_hint(before: BackupSummary) -> str:
    """The hint where data may be lost: keep the last backup that has it."""
    return (
        "If nobody meant that, keep the last backup that has it: "
        f'LEDGER_ENV={before.environment} make pin FILE={before.name.dump} REASON="before a loss"'
    )


def _missing_tables(
    recent: list[BackupSummary], tables: Tables, append_only: Sequence[str]
) -> Iterator[Finding]:
    """Tables that the last backups had and the newest has not; those that come and go are left out."""
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
            f"{newest.name.dump}: the table {table} is gone. {holder.name.dump} has it with {rows:,} rows; "
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
    """Whether a table has come back before, after it was gone."""
    since = present[present.index(True) :] if True in present else []
    return any(not before and after for before, after in pairwise(since))


def _shrunk_tables(
    recent: list[BackupSummary], tables: Tables, append_only: Sequence[str]
) -> Iterator[Finding]:
    """Tables with fewer rows, in which rows are only ever added: by the settings, or as they always did."""
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
        why = "by the settings" if declared else f"as it was on all {place + 1} backups up to then"
        message = (
            f"{newest.name.dump}: {table} has {now:,} rows; {recent[place].name.dump} has "
            f"{int(most):,}. Rows are only ever added to it, {why}."
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
    """Tables with far more or fewer rows than their trend and their weekdays say."""
    newest, width = recent[-1], WIDTHS["rows"]
    for table, now in newest.tables.items():
        rows = tables[table][:-1]
        usual = median(rows[-RECENT:])
        if not abs(now - usual) > max(width.least, min(width.below, width.above) * usual):
            continue  # quick to say, of nearly all tables
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
        hint = (
            pin_hint(recent[-2]) if less else f"What has grown? LEDGER_ENV={newest.environment} make status"
        )
        figures = {"found": float(now), "low": low, "expected": middle, "high": high}
        yield Finding(newest.environment, "rows", table, Level.WARNING, message, hint, cause, figures=figures)


def _schema_change(recent: list[BackupSummary]) -> Iterator[Finding]:
    """Another schema than the backup of the day before had."""
    newest, before = recent[-1], recent[-2]
    if newest.schema != before.schema:
        message = f"{newest.name.dump}: its schema is not that of {before.name.dump} of {before.day}."
        hint = (
            "Nothing to do after a migration. If there was none, keep the last backup before it: "
            f'LEDGER_ENV={before.environment} make pin FILE={before.name.dump} REASON="before a change"'
        )
        yield Finding(newest.environment, "schema", "schema", Level.WARNING, message, hint)


def _unchanged_contents(recent: list[BackupSummary]) -> Iterator[Finding]:
    """The same contents for days, in a database that hardly ever was the same for a day."""
    changes = [after.contents != before.contents for before, after in pairwise(recent)]
    run = _trailing_standstill(changes)
    if not _is_unusual_standstill(run, changes[: len(changes) - run], share=_CHANGES, least=2):
        return
    newest, first = recent[-1], recent[-1 - run]
    message = (
        f"{newest.name.dump}: it holds exactly what {first.name.dump} holds, and so does every backup "
        f"in between. On {sum(changes)} of {len(changes) - run} days from {recent[0].day} on "
        f"something had changed."
    )
    hint = f"Is it still the database in use? LEDGER_ENV={newest.environment} make identity"
    figures = {"found": float(run), "expected": 0.0}
    yield Finding(
        newest.environment, "same contents", "contents", Level.WARNING, message, hint, figures=figures
    )


def _stopped_growth(recent: list[BackupSummary], tables: Tables) -> Iterator[Finding]:
    """Tables that used to grow and have not for far longer than they ever rested."""
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
            f"{days[0]} to {first} it grew on {sum(before)} of {len(before)} days, and never rested "
            f"longer than {_longest_standstill(before)}."
        )
        hint = f"Is it still the database in use? LEDGER_ENV={newest.environment} make identity"
        figures = {"found": float(run), "expected": float(_longest_standstill(before))}
        cause = f"{newest.environment} no longer grows"
        yield Finding(
            newest.environment, "growth stopped", table, Level.WARNING, message, hint, cause, figures=figures
        )


def _trailing_standstill(steps: Sequence[bool]) -> int:
    """How many of the last steps in a row brought nothing."""
    return next((place for place, step in enumerate(reversed(steps)) if step), len(steps))


def _longest_standstill(steps: Sequence[bool]) -> int:
    return max((len(list(run)) for step, run in groupby(steps) if not step), default=0)


def _is_unusual_standstill(run: int, before: Sequence[bool], *, share: float, least: int) -> bool:
    """Whether a standstill is longer than thrice any before it, in what moved on that share of the days."""
    if len(before) < LEAST_LEARNT or sum(before) < share * len(before):
        return False
    return run >= max(least, _PATIENCE * _longest_standstill(before) + 1)
