"""The report as one self-contained HTML file: text, tables and charts.

This module gathers what the page shows; `templates/report.html.j2` renders it, and escapes everything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import html_templates
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.durations import format_seconds
from ledgerflow_ops.core.monitoring.objectives import DrillCoverage
from ledgerflow_ops.core.presentation import colours
from ledgerflow_ops.core.presentation.day_status import Health
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus
from ledgerflow_ops.operations.reporting import charts
from ledgerflow_ops.operations.reporting.status import Overview, Status

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"
)
"""The content security policy: nothing is loaded. The chart library evaluates expressions ('unsafe-eval')."""

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"
_STYLE, _SCRIPT = _TEMPLATE.with_name("report.css"), _TEMPLATE.with_name("report.js")


def render_page(overview: Overview) -> str:
    """The whole page."""
    statuses = [item.folder_status for item in overview.environments if item.health is not Health.QUIET]
    drawn = _Charts(statuses) if statuses else None
    specs = drawn.specs if drawn else {}
    return html_templates.render(
        _TEMPLATE,
        policy=_POLICY,
        style=_STYLE.read_text(),
        now=f"{overview.now:%Y-%m-%d %H:%M %Z}",
        cards=[
            _card(item)
            for item in sorted(overview.environments, key=lambda entry: entry.health is Health.QUIET)
        ],
        incidents=[*(entry for item in overview.environments for entry in item.incidents), *overview.machine],
        charts=drawn,
        coverages=[_coverage(entry) for entry in statuses],
        rooms=[space for entry in statuses for space in _rooms(entry)],
        specs=specs,
        dark=colours.DARK,
        script=_SCRIPT.read_text(),
        library=_library() if specs else "",
    )


@cache
def _library() -> str:
    """The scripts of the charts, which take a second to bundle. "</script" in them is escaped."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", version)
    return bundle.replace("</script", "<\\/script")


class _Charts:
    """The charts of the page. `specs` has their Vega-Lite by the id of the element that they are drawn in.

    The other attributes have these ids: empty where there is nothing to draw.
    """

    def __init__(self, statuses: Sequence[FolderStatus]) -> None:
        self.specs: dict[str, dict[str, Any]] = {}
        self.calendar = self._placed(charts.calendar_chart(statuses))
        self.figures = list(self._figures(statuses))
        self.restores = self._placed(charts.restore_chart(statuses))
        locations: dict[str, LocationSpace] = {}
        for location in (location for status in statuses for location in status.spaces):
            locations.setdefault(location.home, location)
        self.rooms = [self._placed(charts.free_space_chart(location)) for location in locations.values()]

    def _placed(self, chart: Any) -> str:
        if chart is None:
            return ""
        name = f"chart{len(self.specs)}"
        self.specs[name] = charts.styled(chart).to_dict()
        return name

    def _figures(self, statuses: Sequence[FolderStatus]) -> Iterator[tuple[str, list[str]]]:
        """Each environment that has charts of sizes or durations, with their ids."""
        for status in statuses:
            drawn = [
                self._placed(charts.figure_chart(status, name, title))
                for name, title in (("size", "Size of the dump"), ("duration", "Duration of the backup"))
            ]
            if any(drawn):
                yield str(status.env.environment), drawn


@dataclass(frozen=True, slots=True)
class _MeasuredObjective:
    """A duration in words, its objective, and whether it is met."""

    value: str
    objective: str
    kept: bool


@dataclass(slots=True)
class _Card:
    """One environment in a few lines. `objectives` and `facts` are pairs of name and value."""

    environment: str
    health: str
    colour: str
    headline: str
    below: str
    objectives: list[tuple[str, _MeasuredObjective]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


def _card(item: Status) -> _Card:
    status, reached = item.folder_status, item.folder_status.objectives
    headline, below = _headline(status)
    card = _Card(str(item.env.environment), str(item.health), colours.HEALTH[item.health], headline, below)
    if item.health is not Health.QUIET:
        card.objectives.append(("RPO", _measured(reached.rpo_seconds, reached.rpo_objective)))
        card.objectives.append(("RTO", _measured(reached.rto_seconds, reached.rto_objective)))
    card.facts.append(("next", _next(status)))
    count = f"{len(status.present)}, {sum(backup.proven for backup in status.present)} proven"
    card.facts.append(("backups", count))
    if status.pins:
        card.facts.append(("pinned", str(len(status.pins))))
    if item.previous:
        card.facts.append(("kept aside", ", ".join(backup.name for backup in item.previous)))
    card.facts += [("emptied", sentence) for sentence in status.emptied]
    if item.env.is_sample:
        card.facts.append(("data", "SAMPLE, not your books"))
    return card


def _headline(status: FolderStatus) -> tuple[str, str]:
    """The age of the newest proven backup, and its file; or the reason why it is not known."""
    if status.trouble:
        return "not known", status.trouble.message
    if status.proven is None:
        dumps = count_of(len(status.present) + len(status.others), "dump")
        return "nothing is proven", f"{dumps} in the folder"
    return status.age, status.proven.name.dump


def _measured(value: float | None, objective: float) -> _MeasuredObjective:
    """`value` and `objective` are in seconds; None where nothing was measured."""
    shown = "not known" if value is None else format_seconds(value)
    return _MeasuredObjective(
        shown, format_seconds(objective), kept=value is not None and 0 <= value <= objective
    )


def _next(status: FolderStatus) -> str:
    if status.next_run is None:
        return "not scheduled"
    return f"{status.next_run.astimezone(status.env.settings.zone):%Y-%m-%d %H:%M %Z}"


def _coverage(status: FolderStatus) -> tuple[str, DrillCoverage, int]:
    """The environment, its drill coverage, and the number of days that the coverage is about."""
    return str(status.env.environment), status.objectives.coverage, status.env.settings.redrill_days


def _rooms(status: FolderStatus) -> Iterator[tuple[str, str, str, str]]:
    """Environment, folder, free space, and when it will be full, for each location of its backups."""
    for location in status.spaces:
        free = (
            f"{format_size(location.space.free)} free of {format_size(location.space.size)}"
            if location.space
            else location.trouble
        )
        full = f"full about {location.full_at:%Y-%m-%d}" if location.full_at else ""
        yield str(status.env.environment), location.folder, free, full
