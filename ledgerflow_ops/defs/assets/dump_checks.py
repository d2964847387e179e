"""The checks on a dump. Each is named after what it checks and can be run again for any day."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.checks import Check, first_fatal, merged
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.jobs.examine_job import backup_in_folder
from ledgerflow_ops.defs.names import (
    DATABASE,
    DUMP,
    DUMP_CHECKS,
    FRESH,
    HISTORY_CHECK,
    KEY_SURVIVAL,
    asset_key,
    step_name,
)
from ledgerflow_ops.defs.run_config import VerifyConfig
from ledgerflow_ops.defs.runs import partition_states
from ledgerflow_ops.defs.runs.run_context import backup_of_run, env_for_run, failures_on_record
from ledgerflow_ops.operations.context import EnvironmentContext


def fresh_check(env: EnvironmentContext) -> dg.AssetChecksDefinition:
    """The check of the recovery point objective: the age of the newest proven backup.

    The environment's watch sensor records its result whenever it changes. It can also be run at any time.
    """
    database_key = asset_key(env, DATABASE)

    @dg.asset_check(
        asset=database_key,
        name=FRESH,
        description="The newest proven backup is no older than the objective (rpo_hours).",
    )
    def fresh() -> dg.AssetCheckResult:
        from ledgerflow_ops.operations.monitoring import health_checks

        return metadata.check_result(health_checks.check_environment_freshness(env), database_key)

    return fresh


def history_check(env: EnvironmentContext) -> dg.AssetChecksDefinition:
    """The check of the signed history, every day and whenever somebody runs it."""
    database_key = asset_key(env, DATABASE)

    @dg.asset_check(
        asset=database_key,
        name=HISTORY_CHECK,
        description="The backups, their proofs and what was removed are as the signed history says.",
    )
    def history(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from ledgerflow_ops.operations.history import audit

        return metadata.check_result(audit.audit(env_for_run(env, context)).check, database_key)

    return history


def key_survival_check(env: EnvironmentContext) -> dg.AssetChecksDefinition:
    """The check of the escrowed identity, every week and whenever somebody runs it."""
    database_key = asset_key(env, DATABASE)

    @dg.asset_check(
        asset=database_key,
        name=KEY_SURVIVAL,
        description="With the escrowed identity alone every retained backup was opened, and one restored.",
        pool=str(env.environment),
    )
    def key_survival(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from ledgerflow_ops.operations import key_drill

        return metadata.check_result(key_drill.check_keys(env_for_run(env, context)), database_key)

    return key_survival


def dump_checks(env: EnvironmentContext, days: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """All checks on an environment's dump; a failed one blocks the drill."""
    dump_key = asset_key(env, DUMP)
    specs = [
        partitioned_check(name, dump_key, days, text, blocking=True) for name, text in DUMP_CHECKS.items()
    ]

    @dg.multi_asset_check(
        name=step_name(env, VerifyConfig.verb),
        specs=specs,
        can_subset=True,
        pool=str(env.environment),
    )
    def checks(context: dg.AssetCheckExecutionContext, config: VerifyConfig) -> Iterator[dg.AssetCheckResult]:
        from ledgerflow_ops.operations.verification import verify

        run_env = env_for_run(env, context)
        with failures_on_record(env.environment):
            name = (
                backup_in_folder(run_env, config.file)
                if config.file
                else backup_of_run(run_env, context, dump_key)
            )
            metadata_checks = verify.quick_checks(run_env, name)
            examination = verify.verify(run_env, name)
        results = merged([*metadata_checks, *examination.checks])
        failed = examination.bad
        if failed:
            results += metadata.unreached_checks(DUMP_CHECKS, results, failed.message)
        _show_on_its_day(context, run_env, name, first_fatal(results))
        yield from _selected(context, results, dump_key, name.dump)

    return checks


def _show_on_its_day(
    context: dg.AssetCheckExecutionContext, env: EnvironmentContext, name: BackupName, bad: Check | None
) -> None:
    """Make the partitions of the run's day red if their backup is bad, and green again if it no longer is."""
    if not context.has_partition_key:
        return
    day = date.fromisoformat(context.partition_key)
    days = partition_states.days_that_show(env, name, day)
    if days is None:
        return
    if bad:
        partition_states.record_bad(context, env, day)
        partition_states.record_drill_not_judged(context, env, name, day, bad)
    else:
        partition_states.record_good(context, env, name, day, days)


def _selected(
    context: dg.AssetCheckExecutionContext, results: list[Check], dump_key: dg.AssetKey, backup: str
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks that this run selected."""
    selected = {chosen.name for chosen in context.selected_asset_check_keys}
    for check in results:
        if check.name in selected:
            yield metadata.check_result(check, dump_key, backup)
