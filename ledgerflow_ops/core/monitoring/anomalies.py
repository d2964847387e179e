"""What is odd about an environment's newest backup, measured by the backups before it.

Pure and robust; the thresholds and why they are what they are: docs/watching.md. Each finding names the
backup, the figure, what was expected and from which days.
"""

from collections.abc import Callable, Iterator, Sequence

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import Summary
from ledgerflow_ops.core.monitoring import content_anomalies
from ledgerflow_ops.core.monitoring.expected_ranges import ExpectedRange, bands, daily
from ledgerflow_ops.core.sizes import human

FIGURES = ("size", "duration", "throughput")

_HALF = 0.5
_LEAST_SECONDS = 30
"""What is over sooner has no rate worth telling."""
_WORDS: dict[str, Callable[[float], str]] = {
    "size": human,
    "duration": lambda seconds: f"{seconds:,.0f} s",
    "throughput": lambda rate: f"{human(rate)}/s",
}


def find(summaries: Sequence[Summary], append_only: Sequence[str] = ()) -> list[Finding]:
    """What is odd about the newest backup. `append_only` are the tables that may never shrink.

    `summaries` are all backups known of one environment, those rotated away too, in any order.
    """
    chosen = daily(summaries)
    if len(chosen) < 2:
        return []
    return [*_figures(chosen), *content_anomalies.find(chosen, append_only)]


def _figures(chosen: Sequence[Summary]) -> Iterator[Finding]:
    newest, before = chosen[-1], chosen[-2]
    for figure in FIGURES:
        for band in bands(chosen, figure, last=1):
            if band.day == newest.day:
                yield from judge(newest, before, figure, band)


def judge(newest: Summary, before: Summary, figure: str, band: ExpectedRange) -> Iterator[Finding]:
    """What is odd about one figure: size in both directions, duration upwards, throughput downwards.

    `before` is the backup of the day before.
    """
    found = _value(newest, figure)
    if band.holds(found):
        return
    if figure == "size":
        yield _size(newest, before, band, found)
    elif _slow(newest, figure, band, found):
        slow = f"backups of {newest.environment} are slow"
        hint = f"Is the server or the disk busy? LEDGER_ENV={newest.environment} make doctor"
        yield _finding(newest, figure, figure, Level.WARNING, band, found, hint, slow)


def _slow(newest: Summary, figure: str, band: ExpectedRange, found: float) -> bool:
    if figure == "duration":
        return found > band.high
    return found < band.low and newest.duration_seconds >= _LEAST_SECONDS


def _size(newest: Summary, before: Summary, band: ExpectedRange, found: float) -> Finding:
    if found > band.high:
        hint = f"What has grown? LEDGER_ENV={newest.environment} make status"
        return _finding(newest, "size", "larger", Level.WARNING, band, found, hint, "")
    level = Level.CRITICAL if found < band.expected * _HALF else Level.WARNING
    hint = content_anomalies.keep(before)
    return _finding(newest, "size", "smaller", level, band, found, hint, content_anomalies.loss(newest))


def _finding(
    newest: Summary,
    kind: str,
    subject: str,
    level: Level,
    band: ExpectedRange,
    found: float,
    hint: str,
    cause: str,
) -> Finding:
    word = _WORDS[kind]
    message = (
        f"{newest.name.dump}: {kind} {word(found)}; {word(band.low)} to {word(band.high)} were expected, "
        f"from {band.days} backups of {band.since} to {band.until}."
    )
    figures = {"found": found, "low": band.low, "expected": band.expected, "high": band.high}
    return Finding(newest.environment, kind, subject, level, message, hint, cause, figures=figures)


def _value(one: Summary, figure: str) -> float:
    if figure == "throughput":
        return one.database_size / one.duration_seconds if one.duration_seconds > 0 else float("nan")
    return float(one.size if figure == "size" else one.duration_seconds)
