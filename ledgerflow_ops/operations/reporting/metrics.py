"""The metrics for Prometheus, read at each scrape. What is not known is absent, never 0.

Names follow the conventions of exporters: base units, `_total` for counters, info metrics. No database is
queried, and no byte of a dump is read: a scrape costs as much as reading the catalog.
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
from ledgerflow_ops.core.presentation import journal_view
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
        "The recovery point of the newest proven backup.",
        lambda status: status.proven.recovery_point.timestamp() if status.proven else None,
    ),
    (
        "ledgerflow_rpo_seconds",
        "How much work would be lost now.",
        lambda status: status.objectives.rpo_seconds,
    ),
    (
        "ledgerflow_rpo_objective_seconds",
        "How much may be lost.",
        lambda status: status.objectives.rpo_objective,
    ),
    (
        "ledgerflow_rto_seconds",
        "How long the newest proven backup took to restore.",
        lambda status: status.objectives.rto_seconds,
    ),
    (
        "ledgerflow_rto_objective_seconds",
        "How long a restore may take.",
        lambda status: status.objectives.rto_objective,
    ),
    (
        "ledgerflow_next_run_timestamp_seconds",
        "When the next scheduled backup is due.",
        lambda status: status.next_run.timestamp() if status.next_run else None,
    ),
    (
        "ledgerflow_drill_coverage_ratio",
        "The part of the kept backups that was restored within redrill_days.",
        lambda status: status.objectives.coverage.share if status.objectives.coverage.kept else None,
    ),
    (
        "ledgerflow_pinned_backups",
        "Backups that no rotation may remove.",
        lambda status: None if status.trouble else float(len(status.pins)),
    ),
)
_NEWEST: tuple[MetricDefinition, ...] = (
    (
        "ledgerflow_last_backup_timestamp_seconds",
        "When the newest backup was finished, proven or not.",
        lambda status: status.newest.finished_at.timestamp() if status.newest else None,
    ),
    (
        "ledgerflow_last_backup_size_bytes",
        "The size of the newest backup's dump.",
        lambda status: status.newest.size if status.newest else None,
    ),
    (
        "ledgerflow_last_backup_database_size_bytes",
        "The size of its database.",
        lambda status: status.newest.database_size if status.newest else None,
    ),
    (
        "ledgerflow_last_backup_duration_seconds",
        "How long it took.",
        lambda status: status.newest.duration_seconds if status.newest else None,
    ),
    (
        "ledgerflow_last_backup_rows",
        "The rows of all its tables.",
        lambda status: status.newest.rows if status.newest else None,
    ),
)


def metric_families(ctx: OperationContext) -> Iterator[Metric]:
    """All metrics of all environments, as they are now."""
    statuses = [environment_status.read_folder_status(ctx.env(environment)) for environment in Environment]
    readable = GaugeMetricFamily(
        "ledgerflow_readable", "Whether that part could be read.", labels=("environment", "part")
    )
    for status in statuses:
        readable.add_metric((str(status.env.environment), "folder"), float(status.trouble is None))
    yield _build()
    yield _environments(statuses)
    for name, text, value in (*_OBJECTIVES, *_NEWEST):
        yield _gauge(name, text, value, statuses)
    yield from _locations(statuses)
    yield from _alert_metrics(ctx, readable)
    yield from _operation_metrics(ctx, readable)
    yield readable


def _build() -> Metric:
    facts = {"version": metadata.version("ledgerflow-ops"), "python": platform.python_version()}
    return InfoMetricFamily("ledgerflow_build", "What is running.", value=facts)


def _environments(statuses: Iterable[FolderStatus]) -> Metric:
    family = InfoMetricFamily("ledgerflow_environment", "The environments.", labels=("environment",))
    for status in statuses:
        facts = {
            "sample": str(status.env.is_sample).lower(),
            "scheduled": str(status.env.settings.is_scheduled).lower(),
            "time_zone": status.env.settings.time_zone,
        }
        family.add_metric((str(status.env.environment),), facts)
    return family


def _gauge(
    name: str, text: str, value: Callable[[FolderStatus], float | None], statuses: Iterable[FolderStatus]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("environment",))
    for status in statuses:
        measured = value(status)
        if measured is not None:
            family.add_metric((str(status.env.environment),), float(measured))
    return family


def _locations(statuses: Iterable[FolderStatus]) -> Iterator[Metric]:
    """Backups by state, and the space, for each location of each environment."""
    labels = ("environment", "location")
    states = GaugeMetricFamily("ledgerflow_backups", "Dumps by their state.", labels=(*labels, "state"))
    free = GaugeMetricFamily("ledgerflow_location_free_bytes", "Bytes free to us.", labels=labels)
    size = GaugeMetricFamily("ledgerflow_location_size_bytes", "Bytes of the file system.", labels=labels)
    inodes = GaugeMetricFamily("ledgerflow_location_free_inodes", "Inodes that are free.", labels=labels)
    full = GaugeMetricFamily(
        "ledgerflow_location_full_timestamp_seconds",
        "When it will be full at the present trend.",
        labels=labels,
    )
    for status in statuses:
        environment = str(status.env.environment)
        if status.trouble is None:
            counted = Counter(str(dump["state"]) for dump in status.backups())
            for state in STATES:
                states.add_metric((environment, status.env.store.location, state), counted[state])
        for location in status.spaces:
            where = (environment, location.folder)
            if location.space:
                free.add_metric(where, location.space.free)
                size.add_metric(where, location.space.size)
            if location.inodes is not None:
                inodes.add_metric(where, location.inodes)
            if location.full_at:
                full.add_metric(where, location.full_at.timestamp())
    yield from (states, free, size, inodes, full)


def _alert_metrics(ctx: OperationContext, readable: GaugeMetricFamily) -> Iterator[Metric]:
    """The open alerts, and those of them that were not delivered."""
    counted = GaugeMetricFamily("ledgerflow_open_alerts", "Open alerts.", labels=("environment", "level"))
    missed = GaugeMetricFamily("ledgerflow_undelivered_alerts", "Open alerts that a channel did not take.")
    try:
        open_alerts: Sequence[Alert] | None = None if alerts.record_damage(ctx) else alerts.open_alerts(ctx)
    except (LedgerError, OSError):
        open_alerts = None
    readable.add_metric(("", "alerts"), float(open_alerts is not None))
    if open_alerts is not None:
        missed.add_metric((), sum(alert.undelivered for alert in open_alerts))
        levels = Counter((alert.finding.environment, alert.finding.level) for alert in open_alerts)
        for environment in (*Environment, None):
            for level in Level:
                counted.add_metric((str(environment or ""), str(level)), levels[environment, level])
    yield from (counted, missed)


def _operation_metrics(ctx: OperationContext, readable: GaugeMetricFamily) -> Iterator[Metric]:
    """The operations in the journal: how often they ran, and when they last succeeded and failed."""
    labels = ("environment", "operation")
    total = CounterMetricFamily(
        "ledgerflow_operations", "Operations in the journal.", labels=(*labels, "result")
    )
    succeeded = GaugeMetricFamily(
        "ledgerflow_last_success_timestamp_seconds", "When it last ended well.", labels=labels
    )
    failed = GaugeMetricFamily(
        "ledgerflow_last_failure_timestamp_seconds", "When it last ended otherwise.", labels=labels
    )
    try:
        entries: list[JournalEntry] | None = list(journal_file.read_entries(ctx.settings.state_dir))
    except LedgerError:
        entries = None
    readable.add_metric(("", "journal"), float(entries is not None))
    last: dict[tuple[str, str, bool], float] = {}
    counted: Counter[tuple[str, str, str]] = Counter()
    for entry in entries or ():
        environment, what = _environment(entry), str(entry.get("what", ""))
        result, at = journal_view.result_word(entry), journal_view.written_at(entry)
        counted[environment, what, result] += 1
        if at:
            last[environment, what, result in (journal_view.OK, "allowed")] = at.timestamp()
    for labelled, count in counted.items():
        total.add_metric(labelled, count)
    for (environment, what, well), at_seconds in last.items():
        (succeeded if well else failed).add_metric((environment, what), at_seconds)
    yield from (total, succeeded, failed)


def _environment(entry: JournalEntry) -> str:
    """The environment of an entry; empty for any text that is not an environment's name."""
    named = str(entry.get("environment") or "")
    return named if named in set(Environment) else ""


def as_json(families: Iterable[Metric]) -> list[dict[str, object]]:
    """Every sample as JSON, for programs that do not read Prometheus' format."""
    return [
        {"name": sample.name, "labels": dict(sample.labels), "value": sample.value}
        for family in families
        for sample in family.samples
    ]
