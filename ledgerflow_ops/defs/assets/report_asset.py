"""The report as an asset: one page over all environments, with its pictures in the metadata."""

import dagster as dg

from ledgerflow_ops.defs.names import CATALOG, REPORT
from ledgerflow_ops.operations.context import OperationContext

_EVERY = "0 */6 * * *"


def report_asset(ctx: OperationContext) -> dg.AssetsDefinition:
    """Written anew whenever the catalog is, and four times a day."""

    @dg.asset(
        key=dg.AssetKey(REPORT),
        deps=[dg.AssetKey(CATALOG)],
        group_name="shared",
        kinds={"html"},
        automation_condition=(
            (
                dg.AutomationCondition.initial_evaluation()
                | dg.AutomationCondition.any_deps_updated()
                # Where nothing happens any more is where somebody should read it.
                | dg.AutomationCondition.cron_tick_passed(_EVERY)
            )
            & ~dg.AutomationCondition.in_progress()
        ),
        description="How everything stands, and how it came to that, as a page of its own.",
    )
    def report_() -> dg.MaterializeResult[None]:
        from ledgerflow_ops.core.presentation.day_status import Health
        from ledgerflow_ops.operations.reporting import charts, report

        found = report.overview(ctx)
        file = report.write_report(ctx, found)
        told = [item.folder_status for item in found.environments if item.health is not Health.QUIET]
        drawn = (
            {"calendar": charts.calendar_chart(told), "restores": charts.restore_chart(told)} if told else {}
        )
        pictures = {
            name: dg.MetadataValue.md(charts.markdown_image(chart, name))
            for name, chart in drawn.items()
            if chart
        }
        tones = {
            str(item.env.environment): dg.MetadataValue.text(str(item.health)) for item in found.environments
        }
        return dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(str(file)),
                "critical": found.critical,
                **tones,
                **pictures,
            }
        )

    return report_
