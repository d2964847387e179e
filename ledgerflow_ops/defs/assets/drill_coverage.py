"""The rolling drill as an asset: who was restored again tonight, and how far it reaches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.names import COVERAGE, DRILL, DRILL_CHECKS, asset_key
from ledgerflow_ops.defs.runs.run_context import TRY_AGAIN, at_work
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.schedule.drill_rotation import RotationStatus
    from ledgerflow_ops.operations.verification.examination import Examination
    from ledgerflow_ops.operations.verification.rolling_drill import RollingDrillResult


def coverage_asset(env: EnvironmentContext, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Restores tonight's backups again; each verdict goes to its own day's drill as well."""

    @dg.asset(
        key=asset_key(env, COVERAGE),
        deps=[asset_key(env, DRILL)],
        group_name=str(env.environment),
        kinds={"postgres"},
        pool=str(env.environment),
        description="The rolling drill: every backup that is kept is restored again, the oldest proof first.",
        output_required=False,
    )
    def coverage_(context: dg.AssetExecutionContext) -> Iterator[object]:
        from ledgerflow_ops.operations.verification import rolling_drill

        here, taken = at_work(env, context), list["RollingDrillResult"]()
        for one in rolling_drill.run_rolling_drill(here):
            taken.append(one)
            if one.examination:
                _on_its_day(context, here, one.examination, days)
        found = rolling_drill.drill_status(here)
        yield dg.MaterializeResult(asset_key=asset_key(env, COVERAGE), metadata=_metadata(found, taken))
        _fail_for(taken)

    return coverage_


def _on_its_day(
    context: dg.AssetExecutionContext,
    env: EnvironmentContext,
    examination: "Examination",
    days: dg.PartitionsDefinition,
) -> None:
    """Put a verdict on the record of the backup's day, if that is shown and this is the day's newest."""
    from ledgerflow_ops.core.catalog import catalog as known
    from ledgerflow_ops.operations import catalog

    manifest, drilled = examination.manifest, asset_key(env, DRILL)
    if manifest is None or not days.has_partition_key(manifest.backup_day.isoformat()):
        return
    of_day = [one for one in catalog.entries(env) if one.day == manifest.backup_day]
    newest = known.newest(of_day)
    if newest is not None and newest.name != examination.name:
        return
    day, checks = manifest.backup_day.isoformat(), merged(examination.checks)
    if bad := examination.bad:
        checks += metadata.not_asked(DRILL_CHECKS, checks, bad.message)
    else:
        told = metadata.of_examination(examination)
        context.log_event(dg.AssetMaterialization(drilled, partition=day, metadata=told))
    for check in checks:
        if check.name in DRILL_CHECKS:
            result = metadata.result(check, drilled)
            context.log_event(
                dg.AssetCheckEvaluation(
                    drilled,
                    check.name,
                    result.passed,
                    result.metadata,
                    severity=result.severity,
                    description=result.description,
                    partition=day,
                )
            )


def _metadata(
    found: "RotationStatus", taken: "Sequence[RollingDrillResult]"
) -> Mapping[str, dg.MetadataValue]:
    rows = [(one.planned.kept.file, one.planned.reason, _outcome(one), f"{one.seconds:.1f}") for one in taken]
    listed = {
        "overdue": found.overdue,
        "never_restored": found.never,
        "beyond_the_budget": found.unreachable,
        "cannot_be_restored_here": [f"{file}: {why}" for file, why in found.troubled.items()],
    }
    return {
        "standing": dg.MetadataValue.text(found.sentence),
        "covered": dg.MetadataValue.int(len(found.covered)),
        "kept": dg.MetadataValue.int(found.kept),
        "overdue_count": dg.MetadataValue.int(len(found.overdue)),
        "budget_minutes": dg.MetadataValue.int(found.budget),
        "needed_minutes": dg.MetadataValue.float(round(found.needed, 2)),
        "tonight": metadata.table(("backup", "why", "found", "seconds"), rows),
        **{
            name: dg.MetadataValue.md("\n".join(f"- {one}" for one in files))
            for name, files in listed.items()
            if files
        },
    }


def _outcome(one: "RollingDrillResult") -> str:
    if one.trouble:
        return f"could not be judged: {one.trouble.message}"
    bad = one.examination.bad if one.examination else None
    return f"BAD: {bad.message}" if bad else "valid"


def _fail_for(taken: "Sequence[RollingDrillResult]") -> None:
    """A bad backup, or a drill that could not be carried out, ends the run as failed; all had their turn."""
    bad = [one for one in taken if one.examination and one.examination.bad]
    unjudged = [one for one in taken if one.trouble]
    if bad or unjudged:
        listed = "; ".join(f"{one.planned.kept.file}: {_outcome(one)}" for one in (*bad, *unjudged))
        hint = Hint(
            make("status"), " shows what is left; take a new backup at once if the newest is among them."
        )
        raise dg.Failure(
            f"{len(bad)} bad and {len(unjudged)} not judged in the rolling drill. {listed}",
            metadata={"hint": str(hint), "exit_code": 4 if bad else 5, TRY_AGAIN: False},
            allow_retries=False,
        )
