"""The catalog as a table and as a chart."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ledgerflow_ops.core.presentation.colours import STATES
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

COLUMNS = [
    "environment",
    "day",
    "file",
    "state",
    "proven",
    "size",
    "rows",
    "rto_seconds",
    "recovery_point",
]

DISPLAYED_COLUMNS = ["day", "environment", "state", "size", "rto_seconds", "rows", "recovery_point", "file"]
"""The columns in the order of their importance to people: the page cuts off what is too wide for it."""
_DAYS = {"format": "%-d %b", "tickMinStep": 24 * 3600 * 1000, "labelOverlap": True}
_LEGEND = {"orient": "top"}
"""An axis and a legend of Vega-Lite."""


def catalog_frame(envs: Sequence[EnvironmentContext]) -> "pd.DataFrame":
    """One row per dump of every environment, newest first; sizes in bytes."""
    import pandas as pd

    rows = [
        {
            "environment": str(env.environment),
            "day": entry.day,
            "file": entry.name.dump,
            "state": entry.state,
            "proven": entry.proven,
            "size": entry.size,
            "rows": entry.manifest.rows if entry.manifest else None,
            "rto_seconds": entry.proof.rto_seconds if entry.proof else None,
            "recovery_point": entry.recovery_point,
        }
        for env in envs
        for entry in catalog.entries(env)
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(
        ["recovery_point", "file"], ascending=False, na_position="last"
    )


def displayed_cells(row: Sequence[Any]) -> tuple[str, ...]:
    """The `DISPLAYED_COLUMNS` of a row, formatted for people; unknown values stay empty."""
    import pandas as pd

    formats = {
        "size": format_size,
        "rows": "{:,.0f}".format,
        "rto_seconds": "{:.1f}".format,
        "recovery_point": "{:%Y-%m-%d %H:%M:%S %Z}".format,
    }
    known = {name: cell for name, cell in zip(COLUMNS, row, strict=True) if not pd.isna(cell)}
    cells = {name: formats.get(name, str)(cell) for name, cell in known.items()}
    return tuple(
        _unbroken(cells.get(name, "")) if name != "file" else cells[name] for name in DISPLAYED_COLUMNS
    )


def _unbroken(text: str) -> str:
    """`text` with characters at which the page does not break a line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")


def environment_row(table: "pd.DataFrame", environment: str) -> tuple[str, ...]:
    """An environment's summary: its name, newest proven backup, number of backups, number of proven ones."""
    own = table[table["environment"] == environment]
    proven = own[own["proven"].astype(bool)]
    newest = "NOTHING" if proven.empty else f"{proven['recovery_point'].max():%Y-%m-%d %H:%M %Z}"
    return environment, _unbroken(newest), str(len(own)), str(len(proven))


def _colours(states: "pd.Series[str]") -> "alt.Scale":
    """The colours of the states that occur: green for proven, red for bad, others in between."""
    import altair as alt

    present = [state for state in STATES if state in set(states)]
    return alt.Scale(domain=present, range=[STATES[state] for state in present])


def size_chart(table: "pd.DataFrame") -> dg.MetadataValue:
    """Dump sizes by day per environment, each backup coloured by its state, as an image in Markdown."""
    import altair as alt

    known = table.dropna(subset=["day"]).assign(day=lambda rows: rows["day"].astype(str))
    drawn = (
        alt.Chart(known[["environment", "day", "size", "state", "file"]])
        .mark_circle(size=90)
        .encode(
            # Vega parses a date as UTC: shown in local time it would be the previous day in the Americas.
            x=alt.X("day:T", title="backup day", scale=alt.Scale(type="utc"), axis=_DAYS),
            y=alt.Y("size:Q", title="dump size", axis=alt.Axis(format="~s", labelExpr="datum.label + 'B'")),
            color=alt.Color("state:N", title=None, scale=_colours(known["state"]), legend=_LEGEND),
            row=alt.Row("environment:N", title=None),
        )
        .properties(width=520, height=100)  # pixels: fits into the page's dialog
        .resolve_scale(y="independent")
    )
    picture = io.StringIO()
    drawn.save(picture, format="svg")
    data = base64.b64encode(picture.getvalue().encode()).decode()
    return dg.MetadataValue.md(f"![backups over days](data:image/svg+xml;base64,{data})")
