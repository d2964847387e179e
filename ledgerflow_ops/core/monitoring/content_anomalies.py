"""Anomalies of the newest backup's contents: tables, rows, schema, an older copy."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import nan

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import standstill
from ledgerflow_ops.core.monitoring.expected_ranges import (
    HISTORY_DAYS,
    WIDTHS,
    compute_ranges,
    known_values,
    median,
)

Tables = Mapping[str, Sequence[float]]
"""The rows of each table in one backup after the other; NaN where a backup has no such table."""
WINDOW = HISTORY_DAYS
"""How many earlier backups, one a day, are compared."""
RECENT = 7
"""A missing table is reported for so many backups; after that its absence is normal."""
_LEARNT = standstill.LEAST_LEARNT
SHRUNK_ROWS, SHRUNK_SHARE = 10, 0.01
"""A table that is append-only by observation, not by settings, may lose this many rows or this share of its
rows, whichever is larger."""
GREAT_SHARE = 0.1
"""A loss of this share of such a table is critical."""
_STEADY = 0.1
"""A table whose rows change by more than this share on most days is not checked for its rows."""
_DROP = 0.3
"""A table that lost this share of its rows in one day more than once is a queue or the like: it flows."""
_LEAST_FOR_GROWTH = 35
"""How many backups must show that a table never grew by so much: what comes once a month is in them."""
_SEEN = 3
_FLOWS, _PURGED = 1 / 60, 1 / 120
"""In how large a share of its backups a table has lost many rows by habit, or some by a rare purge."""


def find_content_anomalies(chosen: Sequence[BackupSummary], append_only: Sequence[str]) -> list[Finding]:
    """The anomalies of the last of `chosen`: backups of one environment, one a day, oldest first."""
    recent = list(chosen[-WINDOW - 1 :])
    names = dict.fromkeys(table for summary in recent for table in summary.tables)
    tables = {table: [summary.tables.get(table, nan) for summary in recent] for table in names}
    gone = list(_missing_tables(recent, tables, append_only))
    losses = [
        *_older_copy(recent),
        *gone,
        *_emptied_tables(recent, tables, append_only),
        *_shrunk_tables(recent, tables, append_only),
        *_schema_change(recent, loss_cause(recent[-1]) if gone else ""),
    ]
    rows = [] if losses else list(_unusual_row_counts(recent, tables))
    return [*losses, *rows, *standstill.find_standstill(recent)]


def loss_cause(newest: BackupSummary) -> str:
    """The cause that findings of lost data share."""
    return f"{newest.environment} holds less than before"


def growth_cause(newest: BackupSummary) -> str:
    """The cause that findings of unexpected growth share."""
    return f"{newest.environment} holds more than before"


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


def _older_copy(recent: list[BackupSummary]) -> Iterator[Finding]:
    """The contents are exactly those of an older backup, though they have changed since."""
    newest, before = recent[-1], recent[-2]
    if newest.contents == before.contents:
        return
    older = next((one for one in reversed(recent[:-1]) if one.contents == newest.contents), None)
    if older is None:
        return
    changed = recent[recent.index(older) + 1]
    message = (
        f"{newest.name.dump}: its contents are exactly those of {older.name.dump} of {older.day}, though "
        f"they had changed by {changed.day}. Is an older copy in place of the database?"
    )
    figures = {"found": float((newest.day - older.day).days), "expected": 0.0}
    yield Finding(
        newest.environment,
        "old copy",
        "contents",
        Level.CRITICAL,
        message,
        pin_hint(before),
        loss_cause(newest),
        figures=figures,
    )


def _emptied_tables(
    recent: list[BackupSummary], tables: Tables, append_only: Sequence[str]
) -> Iterator[Finding]:
    """Tables that had rows in the last backups and have none now, except those that were empty before or
    flow.
    """
    newest = recent[-1]
    for table, now in newest.tables.items():
        rows = tables[table][:-1]
        last = known_values(rows[-RECENT:])
        held = sum(value > 0 for value in last)
        if (
            now
            or not held
            or held < min(_SEEN, len(last))
            or _was_emptied(known_values(rows))
            or _flows(rows)
        ):
            continue
        place = max(number for number, value in enumerate(rows) if value > 0)
        level = (
            Level.CRITICAL if table in append_only or _is_append_only(rows[: place + 1]) else Level.WARNING
        )
        message = (
            f"{newest.name.dump}: {table} is empty; {recent[place].name.dump} has it with "
            f"{int(rows[place]):,} rows."
        )
        yield _rows_lost(newest, recent[place], table, level, message, now, rows[place])


def emptied_by_habit(chosen: Sequence[BackupSummary], append_only: Sequence[str] = ()) -> list[str]:
    """A sentence for each table that the backup before had rows of and the last one has none of.

    Only those that are no finding: a queue, a table of sessions. `chosen` is as in `find_content_anomalies`.
    """
    if len(chosen) < 2:
        return []
    before, newest = chosen[-2:]
    reported = {
        finding.subject
        for finding in find_content_anomalies(chosen, append_only)
        if finding.kind == "rows lost"
    }
    return [
        f"{table}: empty; {before.name.dump} has it with {count_of(before.tables[table], 'row')}"
        for table, now in newest.tables.items()
        if not now and before.tables.get(table) and table not in reported
    ]


def _was_emptied(rows: Sequence[float]) -> bool:
    """Whether a table lost all its rows before, and had some again."""
    filled = [value > 0 for value in rows]
    first = filled.index(True) if True in filled else len(filled)
    last = len(filled) - filled[::-1].index(True) if True in filled else first
    return not all(filled[first:last])


def _flows(rows: Sequence[float]) -> bool:
    """Whether a table loses many rows as a habit."""
    steps = list(pairwise(known_values(rows)))
    drops = sum(after < (1 - _DROP) * before for before, after in steps)
    return drops > max(1, _FLOWS * len(steps))


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
        learnt = lost > max(SHRUNK_ROWS, SHRUNK_SHARE * most) and _is_append_only(rows[: place + 1])
        if not (declared or learnt) or (not now and not declared):
            continue  # _emptied_tables reports an empty one
        level = Level.CRITICAL if declared or lost >= GREAT_SHARE * most else Level.WARNING
        why = "by the settings" if declared else f"as in all {place + 1} backups up to then"
        message = (
            f"{newest.name.dump}: {table} has {now:,} rows; {recent[place].name.dump} has "
            f"{int(most):,}. The table only grows, {why}."
        )
        yield _rows_lost(newest, recent[place], table, level, message, now, most)


def _rows_lost(
    newest: BackupSummary,
    holder: BackupSummary,
    table: str,
    level: Level,
    message: str,
    now: int,
    most: float,
) -> Finding:
    figures = {"found": float(now), "expected": float(most)}
    return Finding(
        newest.environment,
        "rows lost",
        table,
        level,
        message,
        pin_hint(holder),
        loss_cause(newest),
        figures=figures,
    )


def _is_append_only(rows: Sequence[float]) -> bool:
    """Whether a table has only ever grown, in 14 backups or more, and twice at least; a rare purge aside."""
    steps = [after - before for before, after in pairwise(known_values(rows))]
    purges = sum(step < 0 for step in steps)
    grown = sum(step > 0 for step in steps)
    return len(steps) + 1 >= _LEARNT and grown >= 2 and purges <= _PURGED * len(steps)


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
        if _flows(rows) or (now > usual and _may_jump(rows, now - usual)):
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
        cause = loss_cause(newest) if less else growth_cause(newest)
        hint = pin_hint(recent[-2]) if less else Hint("What has grown? ", make("status", newest.environment))
        figures = {"found": float(now), "low": low, "expected": middle, "high": high}
        yield Finding(newest.environment, "rows", table, Level.WARNING, message, hint, cause, figures=figures)


def _may_jump(rows: Sequence[float], by: float) -> bool:
    """Whether such growth is no surprise: half of it came in one day before, or too few days are known."""
    known = known_values(rows)
    return len(known) < _LEAST_FOR_GROWTH or max(after - before for before, after in pairwise(known)) > by / 2


def _schema_change(recent: list[BackupSummary], cause: str) -> Iterator[Finding]:
    """The schema differs from that of the backup of the day before. `cause` is what missing tables share."""
    newest, before = recent[-1], recent[-2]
    if newest.schema != before.schema:
        message = f"{newest.name.dump}: its schema differs from that of {before.name.dump} of {before.day}."
        hint = Hint(
            "After a migration there is nothing to do. If there was none, keep the last backup "
            "before the change: ",
            make("pin", before.environment, FILE=before.name.dump, REASON="before a change"),
        )
        yield Finding(newest.environment, "schema", "schema", Level.WARNING, message, hint, cause)
