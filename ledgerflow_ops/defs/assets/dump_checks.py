"""The checks on a dump, named for what they find. They can be run again on any day by themselves."""

from collections.abc import Iterator

import dagster as dg

from ledgerflow_ops.core.checks import Check, merged
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.names import DATABASE, DUMP, DUMP_CHECKS, FRESH, asset_key, step_name
from ledgerflow_ops.defs.run_config import VerifyConfig
from ledgerflow_ops.defs.runs.run_context import at_work, backup_of, on_record
from ledgerflow_ops.operations.context import EnvironmentContext


def fresh_check(env: EnvironmentContext) -> dg.AssetChecksDefinition:
    """Whether so little would be lost now as was promised: by what is proven, whatever ran.

    The environment's watch puts its verdict on record whenever it changes; it can be asked at any time.
    """
    about = asset_key(env, DATABASE)

    @dg.asset_check(
        asset=about,
        name=FRESH,
        description="The newest proven backup is no older than the objective (rpo_hours).",
    )
    def fresh() -> dg.AssetCheckResult:
        from ledgerflow_ops.operations.monitoring import health_checks

        return metadata.result(health_checks.check_environment_freshness(env), about)

    return fresh


def dump_checks(env: EnvironmentContext, days: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """All checks on an environment's dump; a failed one stops the drill."""
    dumped = asset_key(env, DUMP)
    specs = [partitioned_check(name, dumped, days, text, blocking=True) for name, text in DUMP_CHECKS.items()]

    @dg.multi_asset_check(
        name=step_name(env, VerifyConfig.verb),
        specs=specs,
        can_subset=True,
        pool=str(env.environment),
    )
    def checks(context: dg.AssetCheckExecutionContext, config: VerifyConfig) -> Iterator[dg.AssetCheckResult]:
        from ledgerflow_ops.operations import catalog
        from ledgerflow_ops.operations.verification import verify

        here = at_work(env, context)
        with on_record(env.environment):
            name = catalog.find(here, config.file) if config.file else backup_of(here, context, dumped)
            glanced = verify.quick_checks(here, name)
            examination = verify.verify(here, name)
        found = merged([*glanced, *examination.checks])
        bad = examination.bad
        if bad:
            found += metadata.not_asked(DUMP_CHECKS, found, bad.message)
        yield from _asked(context, found, dumped)

    return checks


def _asked(
    context: dg.AssetCheckExecutionContext, found: list[Check], dumped: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    """The verdicts that this run selected."""
    selected = {chosen.name for chosen in context.selected_asset_check_keys}
    for check in found:
        if check.name in selected:
            yield metadata.result(check, dumped)
