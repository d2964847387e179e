"""The report as one HTML file: words, tables and charts, with all that it needs inside.

This module gathers what the page shows; `templates/report.html.j2` makes HTML of it, and escapes it all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from ledgerflow_ops.adapters.system import html_templates
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
"""What the browser is allowed: nothing from anywhere. The charts' library makes functions of expressions."""

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"
_STYLE = _TEMPLATE.with_name("report.css")


def render_page(found: Overview) -> str:
    """The whole page."""
    told = [item.standing for item in found.environments if item.tone is not Health.QUIET]
    drawn = _Charts(told) if told else None
    specs = drawn.specs if drawn else {}
    return html_templates.render(
        _TEMPLATE,
        policy=_POLICY,
        style=_STYLE.read_text(),
        now=f"{found.now:%Y-%m-%d %H:%M %Z}",
        cards=[_card(item) for item in sorted(found.environments, key=lambda one: one.tone is Health.QUIET)],
        incidents=[*(one for item in found.environments for one in item.incidents), *found.machine],
        charts=drawn,
        coverages=[_coverage(one) for one in told],
        rooms=[row for one in told for row in _rooms(one)],
        specs=specs,
        library=_library() if specs else "",
    )


@cache
def _library() -> str:
    """The programs that draw, which take a second to put together; nothing in it ends the script."""
    version = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", version)
    return bundle.replace("</script", "<\\/script")


class _Charts:
    """The charts of the page. `specs` has them in Vega-Lite by the name of the place they are drawn in.

    The other attributes have those names: empty where there is nothing to draw.
    """

    def __init__(self, standings: Sequence[FolderStatus]) -> None:
        self.specs: dict[str, dict[str, Any]] = {}
        self.calendar = self._placed(charts.calendar_chart(standings))
        self.figures = list(self._figures(standings))
        self.restores = self._placed(charts.restore_chart(standings))
        folders: dict[str, LocationSpace] = {}
        for room in (room for one in standings for room in one.rooms):
            folders.setdefault(room.home, room)
        self.rooms = [self._placed(charts.free_space_chart(room)) for room in folders.values()]

    def _placed(self, chart: Any) -> str:
        if chart is None:
            return ""
        name = f"chart{len(self.specs)}"
        self.specs[name] = charts.styled(chart).to_dict()
        return name

    def _figures(self, standings: Sequence[FolderStatus]) -> Iterator[tuple[str, list[str]]]:
        """Each environment with the charts of its sizes and durations, where it has any."""
        for found in standings:
            drawn = [
                self._placed(charts.figure_chart(found, name, title))
                for name, title in (("size", "Size of the dump"), ("duration", "Duration of the backup"))
            ]
            if any(drawn):
                yield str(found.env.environment), drawn


@dataclass(frozen=True, slots=True)
class _MeasuredObjective:
    """A time in words beside the objective for it, and whether the objective is kept."""

    value: str
    objective: str
    kept: bool


@dataclass(slots=True)
class _Card:
    """One environment in a few lines: `objectives` and `facts` have a name each."""

    environment: str
    health: str
    colour: str
    headline: str
    below: str
    objectives: list[tuple[str, _MeasuredObjective]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


def _card(item: Status) -> _Card:
    found, reached = item.standing, item.standing.objectives
    headline, below = _headline(found)
    card = _Card(str(item.env.environment), str(item.tone), colours.HEALTH[item.tone], headline, below)
    if item.tone is not Health.QUIET:
        card.objectives.append(("RPO", _measured(reached.rpo_seconds, reached.rpo_objective)))
        card.objectives.append(("RTO", _measured(reached.rto_seconds, reached.rto_objective)))
    card.facts.append(("next", _next(found)))
    count = f"{len(found.present)}, {sum(one.proven for one in found.present)} proven"
    card.facts.append(("backups", count))
    if found.pins:
        card.facts.append(("pinned", str(len(found.pins))))
    if item.kept:
        card.facts.append(("kept aside", ", ".join(one.name for one in item.kept)))
    if item.env.is_sample:
        card.facts.append(("data", "SAMPLE, not your books"))
    return card


def _headline(found: FolderStatus) -> tuple[str, str]:
    """How old the newest proven backup is, and which one it is; or what keeps it from being known."""
    if found.trouble:
        return "not known", found.trouble.message
    if found.proven is None:
        return "nothing is proven", f"{len(found.present) + len(found.others)} dumps in the folder"
    return found.age, found.proven.name.dump


def _measured(value: float | None, objective: float) -> _MeasuredObjective:
    """`value` and `objective` are seconds; None where nothing was measured."""
    words = "not known" if value is None else format_seconds(value)
    return _MeasuredObjective(
        words, format_seconds(objective), kept=value is not None and 0 <= value <= objective
    )


def _next(found: FolderStatus) -> str:
    if found.next_run is None:
        return "does not come by itself"
    return f"{found.next_run.astimezone(found.env.settings.zone):%Y-%m-%d %H:%M %Z}"


def _coverage(found: FolderStatus) -> tuple[str, DrillCoverage, int]:
    """Environment, how many of its backups were restored lately, and within how many days that is."""
    return str(found.env.environment), found.objectives.coverage, found.env.settings.redrill_days


def _rooms(found: FolderStatus) -> Iterator[tuple[str, str, str, str]]:
    """Environment, folder, what is free there, and when it will be full, for each place of its backups."""
    for room in found.rooms:
        free = (
            f"{format_size(room.space.free)} free of {format_size(room.space.size)}"
            if room.space
            else room.trouble
        )
        full = f"full about {room.full_at:%Y-%m-%d}" if room.full_at else ""
        yield str(found.env.environment), room.folder, free, full
