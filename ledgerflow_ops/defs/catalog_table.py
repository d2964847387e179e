"""The catalog as a table and as a chart. Kept apart because pandas and altair take as long to import as a
backup takes; only the catalog asset needs them."""

import base64
import io
from collections.abc import Sequence

import altair as alt
import dagster as dg
import pandas as pd

from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.desk import Site

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


def frame(sites: Sequence[Site]) -> pd.DataFrame:
    """Every dump of every environment, newest first, one row each."""
    rows = [
        {
            "environment": str(site.environment),
            "day": entry.day,
            "file": entry.name.dump,
            "state": entry.state,
            "proven": entry.proven,
            "size": entry.size,
            "rows": entry.manifest.rows if entry.manifest else None,
            "rto_seconds": entry.proof.rto_seconds if entry.proof else None,
            "recovery_point": entry.recovery_point,
        }
        for site in sites
        for entry in catalog.entries(site)
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(
        ["recovery_point", "file"], ascending=False, na_position="last"
    )


def chart(table: pd.DataFrame) -> dg.MetadataValue:
    """Size over the days per environment, each backup coloured by its state, as a picture in Markdown."""
    known = table.dropna(subset=["day"]).assign(day=lambda rows: rows["day"].astype(str))
    drawn = (
        alt.Chart(known[["environment", "day", "size", "state", "file"]])
        .mark_circle(size=90)
        .encode(
            x=alt.X("day:T", title="backup day"),
            y=alt.Y("size:Q", title="dump size (bytes)", axis=alt.Axis(format="~s")),
            color=alt.Color("state:N", title="proven as far as"),
            row=alt.Row("environment:N", title=None),
        )
        .properties(width=640, height=120)
    )
    picture = io.StringIO()
    drawn.save(picture, format="svg")
    data = base64.b64encode(picture.getvalue().encode()).decode()
    return dg.MetadataValue.md(f"![backups over days](data:image/svg+xml;base64,{data})")
