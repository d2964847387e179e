"""The charts of the report.

Days are written and shown as UTC, so that no browser's time zone moves them.
"""

import base64
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.monitoring import expected_ranges
from ledgerflow_ops.core.presentation import colours
from ledgerflow_ops.core.presentation.day_status import BEFORE, DayStatus
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus

if TYPE_CHECKING:
    import altair as alt

CALENDAR_DAYS = 365
_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_SQUARE = 14
_WIDTH, _PICTURE_WIDTH = "container", 860
"""In the page a chart is as wide as its place; a picture has no place, and is so many pixels wide."""
_UTC = {"type": "utc"}
_BYTES = {"format": "~s", "labelExpr": "datum.label + 'B'", "tickCount": 4}
_SECONDS = {"format": "~s", "labelExpr": "datum.label + ' s'", "tickCount": 4}
_HEADER = {"labelFontWeight": "bold", "labelFontSize": 13, "labelColor": colours.INK}
"""A scale, two axes and a header of Vega-Lite."""

Chart = Any
"""One of altair's chart classes: there is one for each kind of composition."""


def calendar_chart(statuses: Sequence[FolderStatus]) -> Chart:
    """A square for each day of a year: a column for each week, a facet for each environment."""
    import altair as alt
    import pandas as pd

    table = pd.DataFrame(
        [_square(status, day) for status in statuses for day in status.days(CALENDAR_DAYS)],
        columns=["environment", "week", "weekday", "state", "day"],
    )
    states = [state for state in colours.DAYS if state in set(table["state"])]
    scale = alt.Scale(domain=states, range=[colours.DAYS[state] for state in states])
    legend = alt.Legend(orient="top", columns=8, values=[name for name in states if name != BEFORE])
    order = [str(status.env.environment) for status in statuses]
    rows = alt.Row("environment:N", title=None, header=_HEADER, sort=order)
    weeks = alt.Axis(
        labelExpr="date(datum.value) <= 7 ? utcFormat(toDate(datum.value), '%b') : ''",
        ticks=False,
        domain=False,
        labelAngle=0,
        labelAlign="left",
    )
    return (
        alt.Chart(table)
        .mark_rect(stroke=colours.SURFACE, strokeWidth=2, cornerRadius=3)
        .encode(
            x=alt.X("week:O", title=None, axis=weeks),
            y=alt.Y("weekday:O", title=None, sort=_WEEKDAYS, axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color("state:N", title=None, scale=scale, legend=legend),
            row=rows,
            tooltip=["environment:N", "day:N", "state:N"],
        )
        .properties(width=alt.Step(_SQUARE + 2), height=alt.Step(_SQUARE + 2))
    )


def _square(status: FolderStatus, day: DayStatus) -> tuple[str, str, str, str, str]:
    monday = day.day - timedelta(days=day.day.weekday())
    return (
        str(status.env.environment),
        monday.isoformat(),
        _WEEKDAYS[day.day.weekday()],
        day.state,
        f"{day.day:%a %Y-%m-%d}",
    )


def figure_chart(status: FolderStatus, name: str, title: str) -> Chart | None:
    """A figure of an environment's daily backups by day, over the range in which it was expected.

    `name` is a figure of `expected_ranges`: "size" or "duration". None with backups on fewer than two days.
    """
    import altair as alt
    import pandas as pd

    summaries = [*status.present, *status.past]
    daily = expected_ranges.daily_backups(summaries)
    if len(daily) < 2:
        return None
    ranges = {band.day: band for band in expected_ranges.expected_ranges(summaries, name)}
    rows = [
        _point(backup, expected_ranges.figure_value(backup, name), ranges.get(backup.day)) for backup in daily
    ]
    table = pd.DataFrame(rows)
    axis = _SECONDS if name == "duration" else _BYTES
    base = alt.Chart(table).encode(x=alt.X("day:T", title=None, scale=_UTC, axis=_day_axis(len(daily))))
    y = alt.Y("value:Q", title=None, axis=axis, scale=alt.Scale(zero=False, nice=True))
    layers = [base.mark_line(color=colours.INK, strokeWidth=1.2, opacity=0.7).encode(y=y), _points(base, y)]
    if ranges:
        area = base.transform_filter("isValid(datum.low)").mark_area(color=colours.BAND, opacity=0.9)
        layers.insert(0, area.encode(y=alt.Y("low:Q", title=None, axis=axis), y2="high:Q"))
    drawn: Chart = alt.layer(*layers)
    return drawn.properties(width=_WIDTH, height=150, title=_title(title))


def _point(
    backup: BackupSummary, value: float, expected: "expected_ranges.ExpectedRange | None"
) -> dict[str, Any]:
    outside = expected is not None and not expected.holds(value)
    return {
        "day": backup.day.isoformat(),
        "value": value,
        "low": expected.low if expected else None,
        "high": expected.high if expected else None,
        "judged": "not expected" if outside else "expected" if expected else "too early to say",
        "file": backup.name.dump,
        "state": backup.state,
    }


def _points(base: "alt.Chart", y: "alt.Y") -> "alt.Chart":
    import altair as alt

    domain, shades = ["expected", "too early to say", "not expected"], [colours.INK, colours.SOFT, "#d03535"]
    colour = alt.Color("judged:N", scale=alt.Scale(domain=domain, range=shades), legend=None)
    size = alt.condition("datum.judged === 'not expected'", alt.value(90), alt.value(22))
    tooltip = ["day:T", alt.Tooltip("value:Q", format=",.4~f"), "judged:N", "state:N", "file:N"]
    drawn: alt.Chart = base.mark_circle(opacity=1).encode(y=y, color=colour, size=size, tooltip=tooltip)
    return drawn


def _day_axis(count: int) -> dict[str, Any]:
    return {"format": "%-d %b", "tickCount": min(8, count), "labelOverlap": True, "grid": False}


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "anchor": "start", "fontSize": 13, "color": colours.INK, "limit": 320}


def restore_chart(statuses: Sequence[FolderStatus]) -> Chart | None:
    """The seconds of each drill against the size of the restored database; None before the first drill."""
    import altair as alt
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "environment": str(status.env.environment),
            "size": backup.database_size,
            "seconds": backup.rto_seconds,
            "day": backup.day.isoformat(),
            "file": backup.name.dump,
        }
        for status in statuses
        for backup in (*status.present, *status.past)
        if backup.rto_seconds is not None and not backup.bad
    ]
    if not rows:
        return None
    drilled = {str(row["environment"]) for row in rows}
    names = [name for name in colours.ENVIRONMENTS if name in drilled]
    scale = alt.Scale(domain=names, range=[colours.ENVIRONMENTS[name] for name in names])
    points = (
        alt.Chart(pd.DataFrame(rows))
        .mark_circle(size=55, opacity=0.75)
        .encode(
            x=alt.X("size:Q", title="database", axis=_BYTES, scale=alt.Scale(zero=False, nice=True)),
            y=alt.Y("seconds:Q", title="restored in", axis=_SECONDS, scale=alt.Scale(zero=True)),
            color=alt.Color("environment:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=["environment:N", "day:T", "size:Q", "seconds:Q", "file:N"],
        )
    )
    slowest = max(float(row["seconds"]) for row in rows)
    limits = [
        {"environment": str(status.env.environment), "limit": status.objectives.rto_objective}
        for status in statuses
        if str(status.env.environment) in names and status.objectives.rto_objective <= 4 * slowest
    ]
    if not limits:  # the objective is far above all points, and a line there would squeeze them
        return points.properties(width=_WIDTH, height=200)
    rule = (
        alt.Chart(pd.DataFrame(limits))
        .mark_rule(strokeDash=[5, 4])
        .encode(y="limit:Q", color=alt.Color("environment:N", scale=scale))
    )
    return alt.layer(points, rule).properties(width=_WIDTH, height=200)


def free_space_chart(location: LocationSpace) -> Chart | None:
    """The free space of a location by day, with its forecast; None with fewer than two days measured."""
    import altair as alt
    import pandas as pd

    history = [{"day": day.isoformat(), "free": free, "kind": "free"} for day, free in location.history]
    if len(history) < 2:
        return None
    if location.full_at:
        ahead = [history[-1], {"day": location.full_at.date().isoformat(), "free": 0}]
        history += [{**point, "kind": "forecast"} for point in ahead]
    return (
        alt.Chart(pd.DataFrame(history))
        .mark_line(color=colours.INK)
        .encode(
            x=alt.X("day:T", title=None, scale=_UTC, axis=_day_axis(len(history))),
            y=alt.Y("free:Q", title=None, axis=_BYTES, scale=alt.Scale(zero=True)),
            strokeDash=alt.StrokeDash("kind:N", title=None, legend=None, sort=["free", "forecast"]),
            tooltip=["day:T", "free:Q", "kind:N"],
        )
        .properties(width=_WIDTH, height=150, title=_title(f"Free in {location.folder}"))
    )


def styled(chart: Any) -> Any:
    """The chart in the style of the report."""
    return (
        chart.configure(font="system-ui, sans-serif", background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=colours.SOFT,
            titleColor=colours.SOFT,
            gridColor=colours.GRID,
            domainColor=colours.AXIS,
            titleFontWeight="normal",
        )
        .configure_legend(labelColor=colours.INK, symbolType="square")
    )


def markdown_image(chart: Any, what: str) -> str:
    """A chart as an SVG image in Markdown, for Dagster's page."""
    drawn = io.StringIO()
    sized = chart.properties(width=_PICTURE_WIDTH) if chart.width == _WIDTH else chart
    styled(sized).save(drawn, format="svg")
    return f"![{what}](data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue().encode()).decode()})"
