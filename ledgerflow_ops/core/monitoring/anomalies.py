"""Anomalies of an environment's newest backup, compared with the backups before it.

The statistics are robust (medians). The thresholds and their reasons are in docs/watching.md. Each finding
names the backup, the figure, what was expected and from which days.
"""

from collections.abc import Callable, Iterator, Sequence

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import content_anomalies
from ledgerflow_ops.core.monitoring.expected_ranges import (
    ExpectedRange,
    daily_backups,
    expected_ranges,
    figure_value,
)
from ledgerflow_ops.core.sizes import format_size

FIGURES = ("size", "duration", "throughput")

_HALF = 0.5
_LEAST_SECONDS = 30
"""The throughput of a shorter backup is not checked: fixed costs dominate it."""
_WORDS: dict[str, Callable[[float], str]] = {
    "size": format_size,
    "duration": lambda seconds: f"{seconds:,.0f} s",
    "throughput": lambda rate: f"{format_size(rate)}/s",
}


def find_anomalies(summaries: Sequence[BackupSummary], append_only: Sequence[str] = ()) -> list[Finding]:
    """The anomalies of the newest backup. `append_only` are the tables that may never shrink.

    `summaries` are all known backups of one environment, expired ones too, in any order.
    """
    chosen = daily_backups(summaries)
    if len(chosen) < 2:
        return []
    return [*_figure_findings(chosen), *content_anomalies.find_content_anomalies(chosen, append_only)]


def emptied_by_habit(summaries: Sequence[BackupSummary], append_only: Sequence[str] = ()) -> list[str]:
    """Tables that the newest backup has empty and the one before had not, though that is no finding."""
    return content_anomalies.emptied_by_habit(daily_backups(summaries), append_only)


def _figure_findings(chosen: Sequence[BackupSummary]) -> Iterator[Finding]:
    newest, before = chosen[-1], chosen[-2]
    rows = next((band for band in expected_ranges(chosen, "rows", last=1) if band.day == newest.day), None)
    for figure in FIGURES:
        for band in expected_ranges(chosen, figure, last=1):
            if band.day == newest.day:
                yield from judge_figure(newest, before, figure, band, rows)


def judge_figure(
    newest: BackupSummary,
    before: BackupSummary,
    figure: str,
    band: ExpectedRange,
    rows: ExpectedRange | None = None,
) -> Iterator[Finding]:
    """The anomaly of one figure: size in both directions, duration upwards, throughput downwards.

    `before` is the backup of the day before. `rows` is the expected range of all rows: a size that has grown
    no more than they have is not an anomaly.
    """
    value = figure_value(newest, figure)
    if band.holds(value):
        return
    if figure == "size":
        if value > band.high and rows and value * rows.expected <= band.high * newest.rows:
            return
        yield _size_finding(newest, before, band, value)
    elif _is_slow(newest, figure, band, value):
        slow = f"backups of {newest.environment} are slow"
        hint = Hint("Is the server or the disk busy? ", make("doctor", newest.environment))
        yield _finding(newest, figure, figure, Level.WARNING, band, value, hint, slow)


def _is_slow(newest: BackupSummary, figure: str, band: ExpectedRange, value: float) -> bool:
    if figure == "duration":
        return value > band.high
    return value < band.low and newest.duration_seconds >= _LEAST_SECONDS


def _size_finding(newest: BackupSummary, before: BackupSummary, band: ExpectedRange, value: float) -> Finding:
    if value > band.high:
        hint = Hint("What has grown? ", make("status", newest.environment))
        cause = content_anomalies.growth_cause(newest)
        return _finding(newest, "size", "larger", Level.WARNING, band, value, hint, cause)
    level = Level.CRITICAL if value < band.expected * _HALF else Level.WARNING
    hint = content_anomalies.pin_hint(before)
    return _finding(newest, "size", "smaller", level, band, value, hint, content_anomalies.loss_cause(newest))


def _finding(
    newest: BackupSummary,
    kind: str,
    subject: str,
    level: Level,
    band: ExpectedRange,
    value: float,
    hint: Hint,
    cause: str,
) -> Finding:
    formatted = _WORDS[kind]
    message = (
        f"{newest.name.dump}: {kind} {formatted(value)}; "
        f"{formatted(band.low)} to {formatted(band.high)} were expected, "
        f"from {band.days} backups of {band.since} to {band.until}."
    )
    figures = {"found": value, "low": band.low, "expected": band.expected, "high": band.high}
    return Finding(newest.environment, kind, subject, level, message, hint, cause, figures=figures)
