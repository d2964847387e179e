"""The catalog as an asset: every backup of every environment, with a chart over the days."""

from collections.abc import Sequence

import dagster as dg

from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.names import CATALOG, DRILL, asset_key
from ledgerflow_ops.operations.context import EnvironmentContext

_SHOWN = 200


def catalog_asset(envs: Sequence[EnvironmentContext]) -> dg.AssetsDefinition:
    """Read from the manifests and proofs each time: it holds no truth of its own."""

    @dg.asset(
        key=dg.AssetKey(CATALOG),
        deps=[asset_key(env, DRILL) for env in envs],
        group_name="shared",
        kinds={"pandas"},
        automation_condition=(
            # Backups made before the daemon first ran are nothing new to it.
            (dg.AutomationCondition.initial_evaluation() | dg.AutomationCondition.any_deps_updated())
            & ~dg.AutomationCondition.in_progress()
        ),
        description="Every backup known, read from the manifests and proofs beside the dumps.",
    )
    def catalog_() -> dg.MaterializeResult[None]:
        from ledgerflow_ops.defs.assets.catalog_table import SHOWN, chart, frame, shown, standing

        table = frame(envs)
        newest = table.head(_SHOWN).itertuples(index=False)
        return dg.MaterializeResult(
            metadata={
                "standing": metadata.table(
                    ("environment", "newest proven", "backups", "proven"),
                    [standing(table, str(env.environment)) for env in envs],
                ),
                "backups": len(table),
                "proven": int(table["proven"].sum()),
                "over_days": chart(table) if len(table) else dg.MetadataValue.md("No backups yet."),
                "catalog": metadata.table(tuple(SHOWN), [shown(row) for row in newest]),
            }
        )

    return catalog_
