"""The report as an asset: one page about all environments, with its charts in the metadata."""

import dagster as dg

from ledgerflow_ops.defs.names import CATALOG, REPORT
from ledgerflow_ops.operations.context import OperationContext

_EVERY = "0 */6 * * *"


def report_asset(ctx: OperationContext) -> dg.AssetsDefinition:
    """The asset of the report, written after each update of the catalog and every six hours."""

    @dg.asset(
        key=dg.AssetKey(REPORT),
        deps=[dg.AssetKey(CATALOG)],
        group_name="shared",
        kinds={"html"},
        automation_condition=(
            (
                dg.AutomationCondition.initial_evaluation()
                | dg.AutomationCondition.any_deps_updated()
                # Also where no backups are made any more: that is when somebody should read it.
                | dg.AutomationCondition.cron_tick_passed(_EVERY)
            )
            & ~dg.AutomationCondition.in_progress()
        ),
        description="A self-contained page: the state of every environment, and its history.",
    )
    def report_() -> dg.MaterializeResult[None]:
        from ledgerflow_ops.core.presentation.day_status import Health
        from ledgerflow_ops.operations.reporting import charts, report

        overview = report.overview(ctx)
        file = report.write_report(ctx, overview)
        shown = [item.folder_status for item in overview.environments if item.health is not Health.QUIET]
        drawn = (
            {"calendar": charts.calendar_chart(shown), "restores": charts.restore_chart(shown)}
            if shown
            else {}
        )
        pictures = {
            name: dg.MetadataValue.md(charts.markdown_image(chart, name))
            for name, chart in drawn.items()
            if chart
        }
        tones = {
            str(item.env.environment): dg.MetadataValue.text(str(item.health))
            for item in overview.environments
        }
        return dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(str(file)),
                "critical": overview.critical,
                **tones,
                **pictures,
            }
        )

    return report_
