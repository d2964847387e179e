"""The catalog as an asset: every backup of every environment, with a chart over the days."""

import base64
import io
from collections.abc import Sequence

import dagster as dg
import pandas as pd

from ledgerflow_ops.defs import metadata
from ledgerflow_ops.defs.assets import key
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.desk import Site

_SHOWN = 200
_COLUMNS = ["environment", "day", "file", "state", "proven", "size", "rows", "rto_seconds", "recovery_point"]


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
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values(
        ["recovery_point", "file"], ascending=False, na_position="last"
    )


def chart(table: pd.DataFrame) -> dg.MetadataValue:
    """Size over the days per environment, each backup coloured by its state, as a picture in Markdown."""
    import altair as alt  # here, because it takes as long to import as a backup takes

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


def catalog_asset(sites: Sequence[Site]) -> dg.AssetsDefinition:
    """Read from the manifests and proofs each time: it holds no truth of its own."""

    @dg.asset(
        key=dg.AssetKey("catalog"),
        deps=[key(site, "drill") for site in sites],
        group_name="shared",
        kinds={"pandas"},
        automation_condition=dg.AutomationCondition.any_deps_updated()
        & ~dg.AutomationCondition.in_progress(),
        description="Every backup known, read from the manifests and proofs beside the dumps.",
    )
    def catalog_(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        table = frame(sites)
        shown = table.head(_SHOWN).itertuples(index=False)
        return dg.MaterializeResult(
            metadata={
                "backups": len(table),
                "proven": int(table["proven"].sum()),
                "catalog": metadata.table(tuple(_COLUMNS), [tuple(row) for row in shown]),
                "over_days": chart(table) if len(table) else dg.MetadataValue.md("No backups yet."),
            }
        )

    return catalog_
