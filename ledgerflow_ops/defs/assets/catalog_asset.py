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
from ledgerflow_ops.defs.versions import catalog_version
from ledgerflow_ops.operations.context import EnvironmentContext

_SHOWN = 200
_SCHEMA = dg.TableSchema(
    [
        dg.TableColumn("environment", "string", "dev, test or prod"),
        dg.TableColumn("day", "date", "the backup day, in the environment's time zone"),
        dg.TableColumn("file", "string", "the dump's file"),
        dg.TableColumn("state", "string", "how far the backup is proven, or bad"),
        dg.TableColumn("proven", "bool", "restored, equal to its seal, all data rules hold"),
        dg.TableColumn("size", "int", "bytes of the dump"),
        dg.TableColumn("rows", "int", "rows of all tables"),
        dg.TableColumn("rto_seconds", "float", "seconds that the drill's restore took"),
        dg.TableColumn("recovery_point", "timestamp", "the instant that the data is from"),
    ]
)
"""The columns of `catalog_table.catalog_frame`."""


def catalog_asset(envs: Sequence[EnvironmentContext]) -> dg.AssetsDefinition:
    """The asset of the catalog, which is read from the manifests and proofs each time.

    The watch of an environment requests it when a file of a backup was added, changed or removed, whoever
    did that.
    """

    @dg.asset(
        key=dg.AssetKey(CATALOG),
        deps=[asset_key(env, DRILL) for env in envs],
        group_name="shared",
        kinds={"pandas"},
        description="All known backups, read from the manifests and proofs beside the dumps.",
    )
    def catalog_() -> dg.MaterializeResult[None]:
        table = catalog_frame(envs)
        newest = table.head(_SHOWN).itertuples(index=False)
        return dg.MaterializeResult(
            data_version=catalog_version(table),
            metadata={
                "standing": metadata.markdown_table(
                    ("environment", "newest proven", "backups", "proven"),
                    [environment_row(table, str(env.environment)) for env in envs],
                ),
                "dagster/row_count": dg.MetadataValue.int(len(table)),
                "dagster/column_schema": dg.MetadataValue.table_schema(_SCHEMA),
                "backups": len(table),
                "proven": int(table["proven"].sum()),
                "over_days": size_chart(table) if len(table) else dg.MetadataValue.md("No backups yet."),
                "catalog": metadata.markdown_table(
                    tuple(DISPLAYED_COLUMNS), [displayed_cells(row) for row in newest]
                ),
            },
        )

    return catalog_
