"""The report as one HTML file: words, tables and charts, with all that it needs inside."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from ledgerflow_ops.core.durations import format_seconds
from ledgerflow_ops.core.presentation import colours
from ledgerflow_ops.core.presentation.day_status import Health
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.monitoring.environment_status import Standing
from ledgerflow_ops.operations.reporting import charts
from ledgerflow_ops.operations.reporting.status import Incident, Overview, Status

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"
)
"""What the browser is allowed: nothing from anywhere. The charts' library makes functions of expressions."""

_STYLE = Path(__file__).with_name("report.css")
_DRAW = "vegaEmbed('#%s', %s, {actions: false, renderer: 'svg'}).catch(console.error);"


def html(found: Overview) -> str:
    """The whole page."""
    page = _Page(found)
    body = "\n".join(page.parts())
    scripts = "\n".join(_DRAW % (name, _safe(spec)) for name, spec in page.specs.items())
    library = _library() if page.specs else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>Backups of LedgerFlow</title><link rel="icon" href="data:,"><style>{_STYLE.read_text()}</style></head>
<body><main>
{body}
</main>
<script type="module">{library}
{scripts}</script>
</body></html>
"""


@cache
def _library() -> str:
    """The programs that draw, which take a second to put together; nothing in it ends the script."""
    version = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", version)
    return bundle.replace("</script", "<\\/script")


def _safe(spec: dict[str, Any]) -> str:
    """JSON that cannot end the script it stands in, whatever a file's name may be."""
    return json.dumps(spec).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _Page:
    """The page in the making; `specs` are its charts by the place they are drawn in."""

    def __init__(self, found: Overview) -> None:
        self.found = found
        self.specs: dict[str, dict[str, Any]] = {}
        self.told = [item.standing for item in found.environments if item.tone is not Health.QUIET]

    def parts(self) -> Iterator[str]:
        yield "<h1>Backups of LedgerFlow</h1>"
        yield f'<p class="when">as of {self.found.now:%Y-%m-%d %H:%M %Z}</p>'
        cards = sorted(self.found.environments, key=lambda item: item.tone is Health.QUIET)
        yield f'<div class="cards">{"".join(_card(item) for item in cards)}</div>'
        yield self._section("Open incidents", [_incidents(_all(self.found))])
        if not self.told:
            yield self._section("No backups yet", ["<p>LEDGER_ENV=dev make backup takes the first.</p>"])
            return
        yield self._section(
            "Every day, by what its backup is proven to be",
            [f'<div class="latest">{self._chart(charts.calendar(self.told))}</div>'],
        )
        yield self._section("Sizes and durations, on what was expected", self._figures())
        yield self._section(
            "Restore time against size, as drills measured it",
            [
                self._chart(charts.restores(self.told))
                or '<p class="soft">No drill has restored anything yet.</p>'
            ],
        )
        yield self._section("Backups that were restored lately", [_coverage(self.told)])
        yield self._section("Room", [_rooms(self.told), *self._rooms()])

    def _section(self, title: str, parts: Iterable[str]) -> str:
        return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"

    def _chart(self, chart: Any) -> str:
        """The place of a chart; empty where there is none."""
        if chart is None:
            return ""
        name = f"chart{len(self.specs)}"
        self.specs[name] = charts.dressed(chart).to_dict()
        return f'<div id="{name}"></div>'

    def _figures(self) -> Iterator[str]:
        for found in self.told:
            drawn = [
                self._chart(charts.figure(found, name, title))
                for name, title in (("size", "Size of the dump"), ("duration", "Duration of the backup"))
            ]
            if any(drawn):
                yield f'<div class="pair"><h3>{found.env.environment}</h3>{"".join(drawn)}</div>'
        yield _soft(
            "Shaded: what the days before let expect. Red: outside of it. Grey: too few days before to say."
        )

    def _rooms(self) -> Iterator[str]:
        seen = set()
        for found in self.told:
            for room in found.rooms:
                if room.folder.parent not in seen:
                    seen.add(room.folder.parent)
                    yield self._chart(charts.room(room))


def _soft(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def _all(found: Overview) -> list[Incident]:
    return [*(one for item in found.environments for one in item.incidents), *found.machine]


def _card(item: Status) -> str:
    """One environment in a few lines."""
    found = item.standing
    proven, reached = found.proven, found.objectives
    if found.trouble:
        headline, below = "not known", found.trouble.message
    elif proven is None:
        headline, below = "nothing is proven", f"{len(found.present) + len(found.others)} dumps in the folder"
    else:
        headline, below = found.age, proven.name.dump
    facts = [
        *(
            []
            if item.tone is Health.QUIET
            else [
                ("RPO", _against(reached.rpo_seconds, reached.rpo_objective)),
                ("RTO", _against(reached.rto_seconds, reached.rto_objective)),
            ]
        ),
        ("next", escape(_next(found))),
        ("backups", f"{len(found.present)}, {sum(one.proven for one in found.present)} proven"),
    ]
    if found.pins:
        facts.append(("pinned", str(len(found.pins))))
    if item.kept:
        facts.append(("kept aside", ", ".join(escape(one.name) for one in item.kept)))
    if item.env.is_sample:
        facts.append(("data", "SAMPLE, not your books"))
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    tone = colours.HEALTH[item.tone]
    return (
        f'<div class="card" style="--tone: {tone}"><h2>{item.env.environment}'
        f'<span class="tone">{item.tone}</span></h2><div class="big">{escape(headline)}</div>'
        f'<div class="soft">newest proven backup<br>{escape(below)}</div><dl>{listed}</dl></div>'
    )


def _against(value: float | None, objective: float) -> str:
    if value is None:
        return f'<span class="missed">not known</span> of {format_seconds(objective)}'
    mark = "" if 0 <= value <= objective else ' class="missed"'
    return f"<span{mark}>{format_seconds(value)}</span> of {format_seconds(objective)}"


def _next(found: Standing) -> str:
    if found.next_run is None:
        return "does not come by itself"
    return f"{found.next_run.astimezone(found.env.settings.zone):%Y-%m-%d %H:%M %Z}"


def _incidents(incidents: Sequence[Incident]) -> str:
    if not incidents:
        return _soft("Nothing is wrong that is known.")
    rows = []
    for incident in incidents:
        finding = incident.finding
        since = f"{incident.since:%Y-%m-%d %H:%M %Z}" if incident.since else "now"
        hint = f'<div class="hint">{escape(finding.hint)}</div>' if finding.hint else ""
        rows.append(
            f'<tr><td class="{finding.level}">{finding.level}</td><td>{finding.environment or "machine"}</td>'
            f'<td class="what">{escape(finding.message)}{hint}</td><td>{since}</td></tr>'
        )
    return f"<table><tr><th>level</th><th>where</th><th>what</th><th>since</th></tr>{''.join(rows)}</table>"


def _coverage(standings: Sequence[Standing]) -> str:
    rows = []
    for found in standings:
        coverage, within = found.objectives.coverage, found.env.settings.redrill_days
        longest = coverage.overdue[0].name.dump if coverage.overdue else ""
        waiting = f"the longest waited for: {escape(longest)}" if longest else ""
        rows.append(
            f"<tr><td>{found.env.environment}</td>"
            f'<td><span class="bar"><i style="width: {coverage.share:.0%}"></i></span></td>'
            f"<td>{coverage.restored} of {coverage.kept} within {within} days</td>"
            f'<td class="soft">{waiting}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _rooms(standings: Sequence[Standing]) -> str:
    rows = []
    for found in standings:
        for room in found.rooms:
            free = (
                f"{format_size(room.space.free)} free of {format_size(room.space.size)}"
                if room.space
                else room.trouble
            )
            full = f"full about {room.full_at:%Y-%m-%d}" if room.full_at else ""
            rows.append(
                f"<tr><td>{found.env.environment}</td><td><code>{escape(str(room.folder))}</code></td>"
                f"<td>{escape(free)}</td><td>{full}</td></tr>"
            )
    return f"<table>{''.join(rows)}</table>"
