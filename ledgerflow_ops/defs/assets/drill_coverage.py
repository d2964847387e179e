"""The rolling drill as an asset: which backups were restored again tonight, and which are still due."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.names import COVERAGE, DRILL, DRILL_CHECKS, asset_key
from ledgerflow_ops.defs.runs import partition_states
from ledgerflow_ops.defs.runs.run_context import TRY_AGAIN, env_for_run
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.schedule.drill_rotation import RotationStatus
    from ledgerflow_ops.operations.verification.examination import Examination
    from ledgerflow_ops.operations.verification.rolling_drill import RollingDrillResult


def coverage_asset(env: EnvironmentContext) -> dg.AssetsDefinition:
    """The asset that restores tonight's backups again. Each verdict is also recorded on its day's drill."""

    @dg.asset(
        key=asset_key(env, COVERAGE),
        deps=[asset_key(env, DRILL)],
        group_name=str(env.environment),
        kinds={"postgres"},
        pool=str(env.environment),
        description="The rolling drill: restores the kept backups again, those with the oldest proof first.",
        output_required=False,
    )
    def coverage_(context: dg.AssetExecutionContext) -> Iterator[object]:
        from ledgerflow_ops.operations.verification import rolling_drill

        run_env, results = env_for_run(env, context), list["RollingDrillResult"]()
        for result in rolling_drill.run_rolling_drill(run_env):
            results.append(result)
            if result.examination:
                _record_on_its_day(context, run_env, result.examination)
        status = rolling_drill.drill_status(run_env)
        yield dg.MaterializeResult(asset_key=asset_key(env, COVERAGE), metadata=_metadata(status, results))
        _fail_if_bad_or_unjudged(results)

    return coverage_


def _record_on_its_day(
    context: dg.AssetExecutionContext,
    env: EnvironmentContext,
    examination: "Examination",
) -> None:
    """Record a verdict on the drill of the backup's day.

    Only for a day that has a partition, and only if no newer backup of the day exists.
    """
    manifest, drill_key = examination.manifest, asset_key(env, DRILL)
    day = manifest.backup_day if manifest else None
    days = partition_states.days_that_show(env, examination.name, day) if day else None
    if day is None or days is None:
        return
    checks = merged(examination.checks)
    if bad := examination.bad:
        partition_states.record_bad(context, env, day)
        checks += metadata.unreached_checks(DRILL_CHECKS, checks, bad.message)
    else:
        partition_states.record_good(context, env, examination.name, day, days)
        facts = metadata.examination_metadata(examination)
        context.log_event(dg.AssetMaterialization(drill_key, partition=day.isoformat(), metadata=facts))
    for check in checks:
        if check.name in DRILL_CHECKS:
            partition_states.record_check(context, drill_key, check, day, examination.name)


def _metadata(
    status: "RotationStatus", results: "Sequence[RollingDrillResult]"
) -> Mapping[str, dg.MetadataValue]:
    rows = [
        (result.planned.kept.file, result.planned.reason, _outcome(result), f"{result.seconds:.1f}")
        for result in results
    ]
    listed = {
        "overdue": status.overdue,
        "never_restored": status.never,
        "beyond_the_budget": status.unreachable,
        "cannot_be_restored_here": [f"{file}: {why}" for file, why in status.troubled.items()],
    }
    return {
        "standing": dg.MetadataValue.text(status.sentence),
        "covered": dg.MetadataValue.int(len(status.covered)),
        "kept": dg.MetadataValue.int(status.kept),
        "overdue_count": dg.MetadataValue.int(len(status.overdue)),
        "budget_minutes": dg.MetadataValue.int(status.budget),
        "needed_minutes": dg.MetadataValue.float(float(status.needed)),
        "tonight": metadata.markdown_table(("backup", "why", "found", "seconds"), rows),
        **{
            name: dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))
            for name, lines in listed.items()
            if lines
        },
    }


def _outcome(result: "RollingDrillResult") -> str:
    if result.trouble:
        return f"could not be judged: {result.trouble.message}"
    bad = result.examination.bad if result.examination else None
    return f"BAD: {bad.message}" if bad else "valid"


def _fail_if_bad_or_unjudged(results: "Sequence[RollingDrillResult]") -> None:
    """Raise dg.Failure if a backup is bad or a drill could not run, after all of tonight's were drilled."""
    bad = [result for result in results if result.examination and result.examination.bad]
    unjudged = [result for result in results if result.trouble]
    if bad or unjudged:
        listed = "; ".join(f"{result.planned.kept.file}: {_outcome(result)}" for result in (*bad, *unjudged))
        hint = Hint(
            make("status"), " shows the backups that remain. If the newest is bad, take a new one at once."
        )
        raise dg.Failure(
            f"The rolling drill found {count_of(len(bad), 'bad backup')} and could not judge "
            f"{len(unjudged)}. {listed}",
            metadata={"hint": str(hint), "exit_code": 4 if bad else 5, TRY_AGAIN: False},
            allow_retries=False,
        )
