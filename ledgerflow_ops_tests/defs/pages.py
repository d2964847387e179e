"""What Dagster's pages show of assets, asked the way the pages ask; and a small chain to show it of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import AssetKey, DagsterEventType, DagsterInstance

from ledgerflow_ops.defs.assets.partitions import partitioned_check

FAIL, UNWELL = "toy/fail", "toy/unwell"
"""Tags of a run: the asset whose step fails; that the check does."""
DUMP, DRILL = AssetKey(["toy", "dump"]), AssetKey(["toy", "drill"])


@dataclass(frozen=True)
class Page:
    """An asset's page. `history` are the runs and partitions of its materializations, the newest first."""

    statuses: dict[str, str]
    newest: dict[str, str]
    checks: dict[tuple[str, str], str]
    verdicts: dict[tuple[str, str | None], tuple[str, str]]
    history: tuple[tuple[str, str | None], ...]
    latest: str | None
    last_run: str | None


def page(instance: DagsterInstance, graph: Any, key: AssetKey) -> Page:
    """All that is shown of an asset of this asset graph."""
    storage, days = instance.event_log_storage, graph.get(key).partitions_def
    found = (instance.get_status_by_partition(key, days.get_partition_keys(), days) or {}) if days else {}
    made = storage.fetch_materializations(key, limit=10_000).records
    newest: dict[str, str] = {}
    for record in reversed(made):
        newest[record.partition_key or ""] = record.run_id
    keys = sorted(graph.get_check_keys_for_assets({key}))
    states = storage.get_asset_check_state([(check, days) for check in keys])
    checks = {
        (check.name, day): status.value
        for check in keys
        for status, subset in states[check].subsets.items()
        for day in (subset.subset_value.get_partition_keys() if days else ())
    }
    infos = storage.get_asset_check_partition_info(keys)
    verdicts = {
        (info.check_key.name, info.partition_key): (
            info.latest_execution_status.value,
            info.latest_planned_run_id,
        )
        for info in infos
    }
    entry = next((record.asset_entry for record in instance.get_asset_records([key])), None)
    latest = instance.get_latest_materialization_event(key)
    return Page(
        statuses={day: status.value for day, status in found.items() if status},
        newest=newest,
        checks=checks,
        verdicts=verdicts,
        history=tuple((record.run_id, record.partition_key) for record in made),
        latest=latest.run_id if latest else None,
        last_run=entry.last_run_id if entry else None,
    )


def toy(
    days: dg.PartitionsDefinition[str], during: Callable[[AssetKey, DagsterInstance], None] | None = None
) -> dg.Definitions:
    """A chain of two assets, the second with a check. A run's tags say what fails.

    `during` is called within each step, with its asset.
    """
    checks = [partitioned_check("whole", DRILL, days, "As the run's tags have it.")]

    @dg.asset(key=DUMP, partitions_def=days)
    def dump(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        _work(context, DUMP)
        return dg.MaterializeResult(data_version=dg.DataVersion("1"))

    @dg.asset(key=DRILL, deps=[DUMP], partitions_def=days, check_specs=checks)
    def drill(context: dg.AssetExecutionContext) -> Iterator[object]:
        _work(context, DRILL)
        passed = UNWELL not in context.run.tags
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=passed, check_name="whole")])

    def _work(context: dg.AssetExecutionContext, key: AssetKey) -> None:
        if during:
            during(key, context.instance)
        if context.run.tags.get(FAIL) == key.path[-1]:
            raise dg.Failure("as asked", allow_retries=False)

    job = dg.define_asset_job("toy", "*")
    return dg.Definitions([dump, drill], jobs=[job], executor=dg.in_process_executor)


_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def ran(instance: DagsterInstance, definitions: dg.Definitions, day: str, **tags: str) -> str:
    """Run the chain for a day, with `fail="dump"` or `unwell="1"` as it is to be; the run's id."""
    done = definitions.resolve_job_def("toy").execute_in_process(
        instance=instance,
        tags={"dagster/partition": day, **{f"toy/{name}": value for name, value in tags.items()}},
        run_config=_QUIET,
        raise_on_error=False,
    )
    return done.run_id


def wipes(instance: DagsterInstance) -> list[Any]:
    """What is on record of wipes, newest first."""
    kind = DagsterEventType.ASSET_WIPED
    records = instance.event_log_storage.get_event_records(dg.EventRecordsFilter(kind))
    return [record.event_log_entry.get_dagster_event().asset_wiped_data for record in records]
