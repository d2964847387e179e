"""The checks on a dump, named for what they find. They can be run again on any day by themselves."""

from collections.abc import Iterator

import dagster as dg

from ledgerflow_ops.core.checks import Check, merged
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.backup_chain import key
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.runs.run_context import at_work, backup_of, on_record
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import health_checks
from ledgerflow_ops.operations.verification import verify

DUMP_CHECKS = {
    "exists": "The file is in the environment's own folder.",
    "size": "Not empty, not below the floor, not far from the recent days.",
    "permissions": "Only its owner can read it, and nobody else can swap it.",
    "integrity": "Every byte read and decoded; the SHA-256 is the committed one.",
    "sealed": "The manifest is whole, and the rows and contents are those it sealed.",
    "source_is_real": "Taken from the environment's own database, not from the sample.",
}


FRESH = "fresh"


def fresh_check(env: EnvironmentContext) -> dg.AssetChecksDefinition:
    """Whether so little would be lost now as was promised: by what is proven, whatever ran.

    The environment's watch puts its verdict on record whenever it changes; it can be asked at any time.
    """
    about = key(env, "database")

    @dg.asset_check(
        asset=about,
        name=FRESH,
        description="The newest proven backup is no older than the objective (rpo_hours).",
    )
    def fresh() -> dg.AssetCheckResult:
        return metadata.result(health_checks.fresh(env), about)

    return fresh


def checks_op(env: EnvironmentContext) -> str:
    """The name of the step that carries out the checks."""
    return f"{env.environment}_dump_checks"


def dump_checks(env: EnvironmentContext, days: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """All checks on an environment's dump; a failed one stops the drill."""
    dumped = key(env, "dump")
    specs = [partitioned_check(name, dumped, days, text, blocking=True) for name, text in DUMP_CHECKS.items()]

    @dg.multi_asset_check(
        name=checks_op(env),
        specs=specs,
        can_subset=True,
        pool=str(env.environment),
        config_schema={"file": dg.Field(dg.Noneable(str), default_value=None)},
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        here = at_work(env, context)
        with on_record():
            file = context.op_execution_context.op_config["file"]
            name = catalog.find(here, file) if file else backup_of(here, context, dumped)
            glanced = verify.glance(here, name)
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
