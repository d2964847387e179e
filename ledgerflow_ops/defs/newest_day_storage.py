"""An event log in which an asset's overview shows its newest day, whatever was recorded of older ones since.

Like `storage`, it uses Dagster's tables, and was written against 1.13.27.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as db
from dagster import AssetCheckEvaluation, AssetCheckKey, AssetKey, DagsterEventType, EventLogEntry
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.event_log.base import PlannedMaterializationInfo
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster_postgres.event_log import PostgresEventLogStorage

_EVENTS = SqlEventLogStorageTable.c
_CHECKS = AssetCheckExecutionsTable.c
_MADE = DagsterEventType.ASSET_MATERIALIZATION.value
_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value


class NewestDayEventLog(PostgresEventLogStorage):
    """The event log whose answers about a partitioned asset as a whole are those of its newest day."""

    def get_latest_asset_check_execution_by_key(
        self,
        check_keys: Sequence[AssetCheckKey],
        partition_filter: PartitionKeyFilter | None = None,
    ) -> Mapping[AssetCheckKey, AssetCheckExecutionRecord]:
        """The newest record of each check; of a check with a result per day, that of the newest day.

        Dagster takes the record that was written last. An asset's overview would then show a refused backfill
        of an old day as today's state.
        """
        if partition_filter is not None or not check_keys:
            return super().get_latest_asset_check_execution_by_key(check_keys, partition_filter)
        newest = super().get_latest_asset_check_execution_by_key(check_keys)
        with self.index_connection() as conn:
            rows = conn.execute(_newest_days(check_keys)).all()
        days: dict[str, list[AssetCheckKey]] = {}
        for row in rows:
            key = AssetCheckKey(_key(row.asset_key), row.check_name)
            if key in newest and newest[key].partition not in (None, row.day):
                days.setdefault(row.day, []).append(key)
        for day, keys in days.items():
            of_day = super().get_latest_asset_check_execution_by_key(keys, PartitionKeyFilter(key=day))
            newest = {**newest, **of_day}
        return newest

    def _store_runless_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        """Store a check's result that belongs to no run, in place of an earlier one of the same partition.

        Dagster's unique index allows one for each check and partition, and its insert fails at the second.
        """
        result = event.dagster_event.event_specific_data if event.dagster_event else None
        if isinstance(result, AssetCheckEvaluation) and result.partition is not None:
            earlier = (
                _CHECKS.asset_key == result.asset_key.to_string(),
                _CHECKS.check_name == result.check_name,
                _CHECKS.partition == result.partition,
                _CHECKS.run_id == event.run_id,
            )
            with self.index_connection() as conn:
                conn.execute(db.delete(AssetCheckExecutionsTable).where(*earlier))
        super()._store_runless_asset_check_evaluation(event, event_id)

    def get_latest_planned_materialization_info(
        self, asset_key: AssetKey, partition: str | None = None
    ) -> PlannedMaterializationInfo | None:
        """The newest attempt; without a partition the run is that of the newest day.

        Its place in the log stays that of the newest event: the cache of statuses reads on from there.
        """
        newest = super().get_latest_planned_materialization_info(asset_key, partition)
        if newest is None or partition is not None:
            return newest
        with self.index_connection() as conn:
            day = conn.execute(_newest_day(asset_key.to_string())).scalar_one_or_none()
        of_day = super().get_latest_planned_materialization_info(asset_key, day) if day else None
        if of_day is None:
            return newest
        return PlannedMaterializationInfo(storage_id=newest.storage_id, run_id=of_day.run_id)

    def _get_asset_entry_values(
        self, event: EventLogEntry, event_id: int, has_asset_key_index_cols: bool
    ) -> dict[str, Any]:
        """What an event changes of its asset's row: an event of an older day leaves the asset's last run."""
        values = super()._get_asset_entry_values(event, event_id, has_asset_key_index_cols)
        dagster_event = event.get_dagster_event()
        key, partition = dagster_event.asset_key, dagster_event.partition
        if "last_run_id" in values and key and partition:
            with self.index_connection() as conn:
                newest = conn.execute(_newest_day(key.to_string())).scalar_one_or_none()
            if newest and partition < newest:
                del values["last_run_id"]
        return values


def _newest_day(key: str) -> db.Select[Any]:
    """The newest day (as 2026-11-30) of which an asset has an attempt or a materialization."""
    of_asset = db.and_(_EVENTS.asset_key == key, _EVENTS.dagster_event_type.in_([_MADE, _PLANNED]))
    return db.select(db.func.max(_EVENTS.partition)).where(of_asset)


def _newest_days(keys: Sequence[AssetCheckKey]) -> db.Select[Any]:
    """The newest day of which each check has a record."""
    return (
        db.select(_CHECKS.asset_key, _CHECKS.check_name, db.func.max(_CHECKS.partition).label("day"))
        .where(
            _CHECKS.asset_key.in_([key.asset_key.to_string() for key in keys]),
            _CHECKS.check_name.in_([key.name for key in keys]),
            _CHECKS.partition.is_not(None),
        )
        .group_by(_CHECKS.asset_key, _CHECKS.check_name)
    )


def _key(text: str) -> AssetKey:
    key = AssetKey.from_db_string(text)
    assert key is not None
    return key
