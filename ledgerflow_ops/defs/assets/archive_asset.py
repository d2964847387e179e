"""The copies in archive locations as an asset: one partition per backup day, downstream of the drill.

Its runs have a pool of their own, so that a slow location delays no backup. A run copies whatever is missing
in any location, and records the other days that it has completed on their own partitions.
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.assets.partitions import partitioned_check
from ledgerflow_ops.defs.names import ARCHIVE, ARCHIVE_CHECKS, DRILL, archive_pool, asset_key
from ledgerflow_ops.defs.run_config import ArchiveConfig
from ledgerflow_ops.defs.runs import partition_states
from ledgerflow_ops.defs.runs.run_context import TRY_AGAIN, env_for_run, failures_on_record
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.naming import BackupName
    from ledgerflow_ops.core.checks import Check
    from ledgerflow_ops.operations.archive.archive_result import ArchiveResult


def archive_asset(env: EnvironmentContext, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The environment's copies, one partition per backup day: green if every location has the day's."""
    key = asset_key(env, ARCHIVE)

    @dg.asset(
        key=key,
        deps=[asset_key(env, DRILL)],
        partitions_def=days,
        group_name=str(env.environment),
        kinds={"file"},
        pool=archive_pool(env.environment),
        check_specs=[partitioned_check(name, key, days, text) for name, text in ARCHIVE_CHECKS.items()],
        description="Copies of each proven backup in the archive locations, read back there.",
        output_required=False,
    )
    def archive_(
        context: dg.AssetExecutionContext,
        config: ArchiveConfig,  # noqa: ARG001 - run configs name it
    ) -> Iterator[object]:
        from ledgerflow_ops.operations.archive import archiving

        run_env, day = env_for_run(env, context), date.fromisoformat(context.partition_key)
        with failures_on_record(env.environment):
            name = archiving.proven_backup_of(run_env, day)
            result = archiving.archive_backups(run_env)
        others = [other for other in _others(context, run_env, result, days) if other != name]
        for other in others:
            _record_on_its_day(context, run_env, result, other)
        checks = result.checks(name)
        for check in checks:
            yield metadata.check_result(check, key, name.dump)
        if not checks[0].passed:
            raise _failure(checks[0], name)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(result, name, checks))

    return archive_


def _others(
    context: dg.AssetExecutionContext,
    env: EnvironmentContext,
    result: "ArchiveResult",
    days: dg.PartitionsDefinition,
) -> "Iterator[BackupName]":
    """The backups of other days that this run has copied or should have, and those whose partition is not
    green though they are proven: the newest backup of each day that has a partition.
    """
    statuses = context.instance.get_status_by_partition(
        asset_key(env, ARCHIVE), days.get_partition_keys(), days
    )
    green = {day for day, status in (statuses or {}).items() if status and status.value == "MATERIALIZED"}
    touched = set(result.touched)
    for entry in result.proven:
        day = entry.day
        if day is None or not days.has_partition_key(day.isoformat()):
            continue
        if entry.name.stem in touched or day.isoformat() not in green:
            yield entry.name


def _record_on_its_day(
    context: dg.AssetExecutionContext, env: EnvironmentContext, result: "ArchiveResult", name: "BackupName"
) -> None:
    day = result.day_of(name)
    if day is None or partition_states.days_that_show(env, name, day) is None:
        return
    key, checks = asset_key(env, ARCHIVE), result.checks(name)
    for check in checks:
        partition_states.record_check(context, key, check, day, name)
    if checks[0].passed:
        facts = _metadata(result, name, checks)
        context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=facts))


def _failure(check: "Check", name: "BackupName") -> dg.Failure:
    return dg.Failure(
        check.message,
        metadata={
            "hint": str(check.hint),
            "exit_code": 1,
            "check": check.name,
            "backup": name.dump,
            TRY_AGAIN: True,
        },
        allow_retries=False,
    )


def _metadata(
    result: "ArchiveResult", name: "BackupName", checks: "list[Check]"
) -> dict[str, dg.MetadataValue]:
    rows = [
        (one.location, one.outcome_of(name.stem), format_size(one.copied.get(name.stem, 0)))
        for one in result.locations
    ]
    held = [one.location for one in result.locations if one.has(name.stem)]
    return {
        "file": dg.MetadataValue.text(name.dump),
        "three_two_one": dg.MetadataValue.text(checks[1].message),
        "copies": metadata.markdown_table(("location", "copy", "sent now"), rows),
        **({"restore": dg.MetadataValue.text(str(_restore_hint(result, held[0], name)))} if held else {}),
    }


def _restore_hint(result: "ArchiveResult", location: str, name: "BackupName") -> Hint:
    """How to restore from a location."""
    return Hint("From there: ", make("restore", result.env.environment, FILE=f"{location}:{name.dump}"))
