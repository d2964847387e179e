"""The catalog as an asset: every backup of every environment, with a chart of their sizes by day."""

from collections.abc import Sequence

import dagster as dg

from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.catalog_table import (
    DISPLAYED_COLUMNS,
    catalog_frame,
    displayed_cells,
    environment_row,
    size_chart,
)
from ledgerflow_ops.defs.names import CATALOG, DRILL, asset_key
from ledgerflow_ops.operations.context import EnvironmentContext

_SHOWN = 200


def catalog_asset(envs: Sequence[EnvironmentContext]) -> dg.AssetsDefinition:
    """The asset of the catalog, which is read from the manifests and proofs each time."""

    @dg.asset(
        key=dg.AssetKey(CATALOG),
        deps=[asset_key(env, DRILL) for env in envs],
        group_name="shared",
        kinds={"pandas"},
        automation_condition=(
            # any_deps_updated does not see backups that were made before the daemon first ran.
            (dg.AutomationCondition.initial_evaluation() | dg.AutomationCondition.any_deps_updated())
            & ~dg.AutomationCondition.in_progress()
        ),
        description="All known backups, read from the manifests and proofs beside the dumps.",
    )
    def catalog_() -> dg.MaterializeResult[None]:
        table = catalog_frame(envs)
        newest = table.head(_SHOWN).itertuples(index=False)
        return dg.MaterializeResult(
            metadata={
                "standing": metadata.markdown_table(
                    ("environment", "newest proven", "backups", "proven"),
                    [environment_row(table, str(env.environment)) for env in envs],
                ),
                "backups": len(table),
                "proven": int(table["proven"].sum()),
                "over_days": size_chart(table) if len(table) else dg.MetadataValue.md("No backups yet."),
                "catalog": metadata.markdown_table(
                    tuple(DISPLAYED_COLUMNS), [displayed_cells(row) for row in newest]
                ),
            }
        )

    return catalog_
