"""An event log in which an asset's overview shows its newest day, whatever was recorded of older ones since.

Like `storage`, it uses Dagster's tables, and was written against 1.13.27.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as db
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    EventLogEntry,
    EventLogRecord,
    EventRecordsResult,
)
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.event_log.base import AssetRecord, PlannedMaterializationInfo
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_shared.record import copy

_EVENTS = SqlEventLogStorageTable.c
_CHECKS = AssetCheckExecutionsTable.c
_MADE = DagsterEventType.ASSET_MATERIALIZATION.value
_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_SUCCEEDED, _FAILED = AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED


class NewestDayEventLog(PostgresEventLogStorage):
    """The event log whose answers about a partitioned asset as a whole are those of its newest day."""

    newest_day_first = False
    """Whether the latest materialization of a partitioned asset is that of its newest day: in the web page.

    Dagster means the one that was written last. The daemon's sensors and the cache of statuses rely on that.
    """

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """The assets; with `newest_day_first` the last materialization is that of the newest day.

        Its place in the log stays that of the newest event: the cache of statuses reads on from there.
        """
        records = super().get_asset_records(asset_keys)
        if not self.newest_day_first:
            return records
        last = {
            record.asset_entry.asset_key: record.asset_entry.last_materialization_record for record in records
        }
        days = self._newest_materialized_days([key for key, made in last.items() if made])
        return [self._with_newest_day(record, days.get(record.asset_entry.asset_key)) for record in records]

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """The materializations; with `newest_day_first` the one that is latest is that of the newest day."""
        key = records_filter.asset_key if isinstance(records_filter, AssetRecordsFilter) else records_filter
        latest = (
            limit == 1 and not cursor and not ascending and records_filter in (key, AssetRecordsFilter(key))
        )
        days = self._newest_materialized_days([key]) if self.newest_day_first and latest else {}
        if key in days:
            records_filter = AssetRecordsFilter(key, asset_partitions=[days[key]])
        return super().fetch_materializations(records_filter, limit, cursor, ascending)

    def _newest_materialized_days(self, keys: Sequence[AssetKey]) -> dict[AssetKey, str]:
        """The newest day of which each asset has a materialization; without those that have no days."""
        names = [key.to_string() for key in keys]
        query = (
            db.select(_EVENTS.asset_key, db.func.max(_EVENTS.partition).label("day"))
            .where(_EVENTS.asset_key.in_(names), _EVENTS.dagster_event_type == _MADE)
            .group_by(_EVENTS.asset_key)
        )
        with self.index_connection() as conn:
            return {_key(row.asset_key): row.day for row in conn.execute(query) if row.day} if names else {}

    def _with_newest_day(self, record: AssetRecord, day: str | None) -> AssetRecord:
        entry = record.asset_entry
        last = entry.last_materialization_record
        if last is None or day in (None, last.partition_key):
            return record
        [newest] = (
            super()
            .fetch_materializations(AssetRecordsFilter(entry.asset_key, asset_partitions=[str(day)]), 1)
            .records
        )
        shown = EventLogRecord(storage_id=last.storage_id, event_log_entry=newest.event_log_entry)
        return copy(record, asset_entry=copy(entry, last_materialization_record=shown))

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
        if not isinstance(result, AssetCheckEvaluation) or result.partition is None:
            super()._store_runless_asset_check_evaluation(event, event_id)
            return
        of_check = {
            "asset_key": result.asset_key.to_string(),
            "check_name": result.check_name,
            "partition": result.partition,
            "run_id": event.run_id,
        }
        target = result.target_materialization_data
        row = {
            **of_check,
            "execution_status": (_SUCCEEDED if result.passed else _FAILED).value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
            "materialization_event_storage_id": target.storage_id if target else None,
        }
        # In one transaction: a process that is killed in between leaves the earlier result.
        with self.index_transaction() as conn:
            conn.execute(db.delete(AssetCheckExecutionsTable).filter_by(**of_check))
            conn.execute(db.insert(AssetCheckExecutionsTable).values(**row))

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
