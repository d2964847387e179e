"""The figures that Prometheus is given, read anew each time. What is not known is absent, never 0.

Names follow the conventions of exporters: base units, `_total` for what only grows, info metrics. No
database is asked, and no byte of a dump is read: a scrape costs what reading the catalog costs.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.alerting.findings import Alert, Level
from ledgerflow_ops.core.catalog.catalog import UNJUDGED, UNRESTORABLE
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.presentation import journal_view as reading
from ledgerflow_ops.core.presentation.journal_view import JournalEntry
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.monitoring import environment_status
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus

STATES = (*(rung.word for rung in Rung), "bad", UNRESTORABLE, UNJUDGED, "not local", "no manifest")

MetricDefinition = tuple[str, str, Callable[[FolderStatus], float | None]]

_OBJECTIVES: tuple[MetricDefinition, ...] = (
    (
        "ledgerflow_recovery_point_timestamp_seconds",
        "The instant that the newest proven backup is from.",
        lambda found: found.proven.recovery_point.timestamp() if found.proven else None,
    ),
    (
        "ledgerflow_rpo_seconds",
        "How much work would be lost now.",
        lambda found: found.objectives.rpo_seconds,
    ),
    (
        "ledgerflow_rpo_objective_seconds",
        "How much may be lost.",
        lambda found: found.objectives.rpo_objective,
    ),
    (
        "ledgerflow_rto_seconds",
        "How long the newest proven backup took to restore.",
        lambda found: found.objectives.rto_seconds,
    ),
    (
        "ledgerflow_rto_objective_seconds",
        "How long a restore may take.",
        lambda found: found.objectives.rto_objective,
    ),
    (
        "ledgerflow_next_run_timestamp_seconds",
        "When the next backup comes by itself.",
        lambda found: found.next_run.timestamp() if found.next_run else None,
    ),
    (
        "ledgerflow_drill_coverage_ratio",
        "The part of the kept backups that was restored within redrill_days.",
        lambda found: found.objectives.coverage.share if found.objectives.coverage.kept else None,
    ),
    (
        "ledgerflow_pinned_backups",
        "Backups that no rotation may take.",
        lambda found: None if found.trouble else float(len(found.pins)),
    ),
)
_NEWEST: tuple[MetricDefinition, ...] = (
    (
        "ledgerflow_last_backup_timestamp_seconds",
        "When the newest backup was finished, proven or not.",
        lambda found: found.newest.finished_at.timestamp() if found.newest else None,
    ),
    (
        "ledgerflow_last_backup_size_bytes",
        "The size of the newest backup's dump.",
        lambda found: found.newest.size if found.newest else None,
    ),
    (
        "ledgerflow_last_backup_database_size_bytes",
        "The size of its database.",
        lambda found: found.newest.database_size if found.newest else None,
    ),
    (
        "ledgerflow_last_backup_duration_seconds",
        "How long it took.",
        lambda found: found.newest.duration_seconds if found.newest else None,
    ),
    (
        "ledgerflow_last_backup_rows",
        "The rows of all its tables.",
        lambda found: found.newest.rows if found.newest else None,
    ),
)


def metric_families(ctx: OperationContext) -> Iterator[Metric]:
    """All figures of all environments, as they are now."""
    standings = [environment_status.read_folder_status(ctx.env(environment)) for environment in Environment]
    readable = GaugeMetricFamily(
        "ledgerflow_readable", "Whether that part could be read.", labels=("environment", "part")
    )
    for found in standings:
        readable.add_metric((str(found.env.environment), "folder"), float(found.trouble is None))
    yield _build()
    yield _environments(standings)
    for name, text, value in (*_OBJECTIVES, *_NEWEST):
        yield _gauge(name, text, value, standings)
    yield from _locations(standings)
    yield from _alert_metrics(ctx, readable)
    yield from _operation_metrics(ctx, readable)
    yield readable


def _build() -> Metric:
    facts = {"version": metadata.version("ledgerflow-ops"), "python": platform.python_version()}
    return InfoMetricFamily("ledgerflow_build", "What is running.", value=facts)


def _environments(standings: Iterable[FolderStatus]) -> Metric:
    family = InfoMetricFamily("ledgerflow_environment", "The environments.", labels=("environment",))
    for found in standings:
        facts = {
            "sample": str(found.env.is_sample).lower(),
            "scheduled": str(found.env.settings.is_scheduled).lower(),
            "time_zone": found.env.settings.time_zone,
        }
        family.add_metric((str(found.env.environment),), facts)
    return family


def _gauge(
    name: str, text: str, value: Callable[[FolderStatus], float | None], standings: Iterable[FolderStatus]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("environment",))
    for found in standings:
        known = value(found)
        if known is not None:
            family.add_metric((str(found.env.environment),), float(known))
    return family


def _locations(standings: Iterable[FolderStatus]) -> Iterator[Metric]:
    """Backups by state, and the room, for each location of each environment."""
    labels = ("environment", "location")
    states = GaugeMetricFamily("ledgerflow_backups", "Dumps by their state.", labels=(*labels, "state"))
    free = GaugeMetricFamily("ledgerflow_location_free_bytes", "Bytes free to us.", labels=labels)
    size = GaugeMetricFamily("ledgerflow_location_size_bytes", "Bytes of the file system.", labels=labels)
    inodes = GaugeMetricFamily("ledgerflow_location_free_inodes", "Files that fit yet.", labels=labels)
    full = GaugeMetricFamily(
        "ledgerflow_location_full_timestamp_seconds", "When it is full, as it goes.", labels=labels
    )
    for found in standings:
        environment = str(found.env.environment)
        if found.trouble is None:
            counted = Counter(str(one["state"]) for one in found.backups())
            for state in STATES:
                states.add_metric((environment, found.env.store.location, state), counted[state])
        for room in found.rooms:
            where = (environment, room.folder)
            if room.space:
                free.add_metric(where, room.space.free)
                size.add_metric(where, room.space.size)
            if room.inodes is not None:
                inodes.add_metric(where, room.inodes)
            if room.full_at:
                full.add_metric(where, room.full_at.timestamp())
    yield from (states, free, size, inodes, full)


def _alert_metrics(ctx: OperationContext, readable: GaugeMetricFamily) -> Iterator[Metric]:
    """The alerts that are open, and those that somebody should have been told of and was not."""
    counted = GaugeMetricFamily("ledgerflow_open_alerts", "Open alerts.", labels=("environment", "level"))
    missed = GaugeMetricFamily("ledgerflow_undelivered_alerts", "Open alerts that a channel did not take.")
    try:
        found: Sequence[Alert] | None = None if alerts.record_damage(ctx) else alerts.open_alerts(ctx)
    except (LedgerError, OSError):
        found = None
    readable.add_metric(("", "alerts"), float(found is not None))
    if found is not None:
        missed.add_metric((), sum(alert.undelivered for alert in found))
        levels = Counter((alert.finding.environment, alert.finding.level) for alert in found)
        for environment in (*Environment, None):
            for level in Level:
                counted.add_metric((str(environment or ""), str(level)), levels[environment, level])
    yield from (counted, missed)


def _operation_metrics(ctx: OperationContext, readable: GaugeMetricFamily) -> Iterator[Metric]:
    """What the journal says was done: how often, and when last, well or not."""
    labels = ("environment", "operation")
    total = CounterMetricFamily(
        "ledgerflow_operations", "Operations in the journal.", labels=(*labels, "result")
    )
    good = GaugeMetricFamily(
        "ledgerflow_last_success_timestamp_seconds", "When it last ended well.", labels=labels
    )
    wrong = GaugeMetricFamily(
        "ledgerflow_last_failure_timestamp_seconds", "When it last ended otherwise.", labels=labels
    )
    try:
        entries: list[JournalEntry] | None = list(journal_file.entries(ctx.settings.state_dir))
    except LedgerError:
        entries = None
    readable.add_metric(("", "journal"), float(entries is not None))
    last: dict[tuple[str, str, bool], float] = {}
    counted: Counter[tuple[str, str, str]] = Counter()
    for entry in entries or ():
        environment, what = _environment(entry), str(entry.get("what", ""))
        result, at = reading.result_word(entry), reading.written_at(entry)
        counted[environment, what, result] += 1
        if at:
            last[environment, what, result in (reading.OK, "allowed")] = at.timestamp()
    for labelled, count in counted.items():
        total.add_metric(labelled, count)
    for (environment, what, well), at_seconds in last.items():
        (good if well else wrong).add_metric((environment, what), at_seconds)
    yield from (total, good, wrong)


def _environment(entry: JournalEntry) -> str:
    """The environment of an entry; of what somebody typed only one of the three."""
    named = str(entry.get("environment") or "")
    return named if named in set(Environment) else ""


def as_json(families: Iterable[Metric]) -> list[dict[str, object]]:
    """Every sample, for programs that do not read Prometheus' format."""
    return [
        {"name": sample.name, "labels": dict(sample.labels), "value": sample.value}
        for family in families
        for sample in family.samples
    ]
