"""Dagster's storage with three additions: partitions can be wiped, old history can be removed, and an asset's
overview shows its newest day.

It also asks the server less often: connections stay open, and the schema is inspected once.

This module and `newest_day_storage` are the only ones that use Dagster's tables. They were written against
1.13.27, which pyproject.toml pins; a test compares the columns and methods that they use with the installed
version.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import sqlalchemy as db
from dagster import AssetKey, DagsterEventType, EventLogRecord
from dagster._config import UserConfigSchema
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.partition_status_cache import AssetStatusCacheValue
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData, deserialize_value, serialize_value
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.utils import retry_pg_connection_fn
from sqlalchemy.engine import Connection

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.connection_pool import pooled_engine
from ledgerflow_ops.defs.names import archive_pool
from ledgerflow_ops.defs.newest_day_storage import NewestDayEventLog

if TYPE_CHECKING:
    from dagster_postgres.auth import PgTokenProvider

_EVENTS = SqlEventLogStorageTable.c
_ASSETS = AssetKeyTable.c
_CHECKS = AssetCheckExecutionsTable.c
_MADE = DagsterEventType.ASSET_MATERIALIZATION.value
_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_WIPED = "wiped at "
_STALE_SECONDS = 60
"""After a wipe, cached statuses are refused for so long: a process may write back what it read before."""

Days = Collection[str] | None
"""The partitions of an asset that its page shows; None for all."""


_PRESENT: set[tuple[str, ...]] = set()
"""Tables and columns that this process has seen, by the storage's URL: they do not go again."""


def _is_present(inspect_schema: Callable[[], bool], *name: str) -> bool:
    """Whether a table or column exists. Dagster asks before each event of a check; a yes is remembered."""
    if name not in _PRESENT and inspect_schema():
        _PRESENT.add(name)
    return name in _PRESENT


class LedgerRunStorage(PostgresRunStorage):
    """The run storage, which inspects its schema once."""

    def has_run_stats_index_cols(self) -> bool:
        return _is_present(super().has_run_stats_index_cols, self.postgres_url, "runs", "start_time")

    def has_backfill_id_column(self) -> bool:
        return _is_present(super().has_backfill_id_column, self.postgres_url, "runs", "backfill_id")


class LedgerEventLog(NewestDayEventLog):
    """The event log in which single partitions can be wiped. It inspects its schema once."""

    def has_table(self, table_name: str) -> bool:
        return _is_present(partial(super().has_table, table_name), self.postgres_url, table_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        inspect_schema = partial(super()._has_asset_key_col_on_connection, conn, column_name)
        return _is_present(inspect_schema, self.postgres_url, "asset_keys", column_name)

    def wipe_asset_partitions(self, asset_key: AssetKey, partition_keys: Sequence[str]) -> None:
        """Remove all materializations, attempts and checks of these partitions; no file is changed.

        The events stay in their runs' logs, but without the asset's key: without the partition alone they
        would still appear in the asset's history and as its newest materialization. Events that a run in
        progress has planned stay.
        """
        if not partition_keys:
            return
        key, keys = asset_key.to_string(), list(partition_keys)
        with self.index_transaction() as conn:
            # Serializes wipes, and makes a materialization wait before it updates this row.
            asset_row = conn.execute(
                db.select(_ASSETS.last_materialization).where(_ASSETS.asset_key == key).with_for_update()
            ).one_or_none()
            events = _locked_events(conn, key, keys)
            conn.execute(db.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(events)))
            conn.execute(
                db.delete(AssetCheckExecutionsTable).where(
                    _CHECKS.asset_key == key, _CHECKS.partition.in_(keys), ~_check_to_come()
                )
            )
            conn.execute(
                db.update(SqlEventLogStorageTable)
                .where(_EVENTS.id.in_(events))
                .values(asset_key=None, partition=None)
            )
            if asset_row:
                conn.execute(
                    db.update(AssetKeyTable)
                    .where(_ASSETS.asset_key == key)
                    .values(**_asset_row_after_wipe(conn, key, asset_row.last_materialization, events))
                )

    def update_asset_cached_status_data(
        self, asset_key: AssetKey, cache_values: AssetStatusCacheValue
    ) -> None:
        """Store an asset's statuses, unless they may have been read before a wipe of the last minute."""
        wiped = db.cast(db.func.substring(_ASSETS.cached_status_data, f"{_WIPED}([0-9.]+)"), db.Float)
        since = db.func.extract("epoch", db.func.now()) - db.func.coalesce(wiped, 0)
        with self.index_connection() as conn:
            conn.execute(
                db.update(AssetKeyTable)
                .where(_ASSETS.asset_key == asset_key.to_string(), since > _STALE_SECONDS)
                .values(cached_status_data=serialize_value(cache_values))
            )

    def runs_shown(self, days: Mapping[AssetKey, Days]) -> set[str]:
        """The ids of the runs that the pages of these assets need.

        These runs hold an asset's newest event of each kind, overall and per day, or a check's newest record
        or result. Events without a partition always count.
        """
        run_ids: set[str] = set()
        with self.index_connection() as conn:
            for asset, partitions in days.items():
                for query in _newest(asset.to_string(), partitions):
                    run_ids.update(run_id for run_id in conn.execute(query).scalars() if run_id)
        return run_ids

    def get_concurrency_keys(self) -> set[str]:
        """The pools that have a limit; first gives every environment's pool the default limit.

        The daemon reads the limits before it gives a new pool its limit. Without this, its first pass over a
        long queue would start several runs of one environment at once.
        """
        pools = super().get_concurrency_keys()
        own = {pool for name in Environment for pool in (str(name), archive_pool(name))}
        new = own - pools
        for pool in new:
            self.initialize_concurrency_limit_to_default(pool)
        return super().get_concurrency_keys() if new else pools

    def delete_checks_and_events(self, run_ids: Sequence[str]) -> None:
        """Delete the check results and events of these runs, but not the runs, which the run storage deletes.

        Dagster itself would leave the check results behind.
        """
        with self.index_connection() as conn:
            conn.execute(db.delete(AssetCheckExecutionsTable).where(_CHECKS.run_id.in_(run_ids)))
        for run_id in run_ids:
            self.delete_events(run_id)


_MAIN_TABLES = {"runs", "instance_info", "event_logs", "jobs"}
"""The tables by which Dagster's storages decide whether to create theirs."""


def _lacks_tables(postgres_url: str) -> bool:
    """Whether Dagster's tables are missing. Each of its three storages would open two connections to see."""

    def inspect_tables() -> bool:
        names = retry_pg_connection_fn(lambda: db.inspect(pooled_engine(postgres_url)).get_table_names())
        return set(names) >= _MAIN_TABLES

    return not _is_present(inspect_tables, postgres_url, "all tables")


_TEMPORARY: list[TemporaryDirectory[str]] = []
"""The folders of temporary storages; they are removed when the process ends."""


class LedgerStorage(DagsterPostgresStorage):
    """The storage of dagster-postgres with the parts above, with the same tables; dagster.yaml names it."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: "PgTokenProvider | None" = None,
    ) -> None:
        # Each tick of a sensor makes an instance of its own: only the first one checks for the tables.
        create = should_autocreate_tables and (token_provider is not None or _lacks_tables(postgres_url))
        super().__init__(postgres_url, create, inst_data, token_provider)
        # The tables exist by now, so these need not check again.
        self._run_storage = LedgerRunStorage(postgres_url, False, token_provider=token_provider)
        self._ledger_events = LedgerEventLog(postgres_url, False, token_provider=token_provider)
        if token_provider is None:
            engine = pooled_engine(postgres_url)
            for part in (self._run_storage, self._schedule_storage, self._ledger_events):
                part._engine = engine  # noqa: SLF001

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"url_variable": str}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LedgerStorage":
        """The storage at the address that the environment variable `url_variable` holds.

        A temporary one without that and without a DAGSTER_HOME: Dagster's own checks of the definitions run
        in a plain clone, and keep nothing.
        """
        variable = str(config_value["url_variable"])
        if url := os.environ.get(variable):
            return cls(url, inst_data=inst_data)
        if os.environ.get("DAGSTER_HOME"):
            raise DagsterInvariantViolationError(f"{variable} is not set. `make up` starts Dagster with it.")
        _TEMPORARY.append(TemporaryDirectory())
        return DagsterSqliteStorage(_TEMPORARY[-1].name)  # type: ignore[return-value]  # a storage as well

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._ledger_events


def _locked_events(conn: Connection, key: str, partitions: list[str]) -> list[int]:
    """The ids of an asset's events of these partitions, without those that a run in progress has planned.

    Locks the rows in the order in which runs are deleted, so that the two cannot deadlock.
    """
    later, runs = SqlEventLogStorageTable.alias("later"), RunsTable.c
    to_come = db.and_(
        _EVENTS.dagster_event_type == _PLANNED,
        _EVENTS.run_id.in_(db.select(runs.run_id).where(_in_progress())),
        ~db.exists().where(
            later.c.asset_key == _EVENTS.asset_key,
            later.c.partition == _EVENTS.partition,
            later.c.dagster_event_type == _MADE,
            later.c.run_id == _EVENTS.run_id,
        ),
    )
    query = (
        db.select(_EVENTS.id)
        .where(_EVENTS.asset_key == key, _EVENTS.partition.in_(partitions), ~to_come)
        .order_by(_EVENTS.id)
        .with_for_update(of=SqlEventLogStorageTable)
    )
    return list(conn.execute(query).scalars())


def _check_to_come() -> db.ColumnElement[bool]:
    """The condition for a check that a run in progress has planned and not yet run."""
    return db.and_(
        _CHECKS.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value,
        _CHECKS.run_id.in_(db.select(RunsTable.c.run_id).where(_in_progress())),
    )


def _in_progress() -> db.ColumnElement[bool]:
    return RunsTable.c.status.not_in([status.value for status in FINISHED_STATUSES])


def _asset_row_after_wipe(
    conn: Connection, key: str, newest: str | None, wiped: list[int]
) -> dict[str, object]:
    """The values of an asset's row after the wipe of these events.

    The cached statuses become empty, with the time of the wipe, and are computed again when next needed. If
    the newest materialization was wiped it becomes null: Dagster then looks it up among the events.
    """
    ran = (
        db.select(_EVENTS.run_id)
        .where(_EVENTS.asset_key == key, _EVENTS.dagster_event_type.in_([_MADE, _PLANNED]))
        .order_by(_EVENTS.partition.desc().nulls_last(), _EVENTS.id.desc())
        .limit(1)
    )
    instant = conn.execute(db.select(db.func.extract("epoch", db.func.clock_timestamp()))).scalar_one()
    record = deserialize_value(newest) if newest else None
    gone = isinstance(record, EventLogRecord) and record.storage_id in set(wiped)
    return {
        "cached_status_data": serialize_value(AssetStatusCacheValue(0, f"{_WIPED}{instant}")),
        "last_run_id": conn.execute(ran).scalar_one_or_none(),
        "last_materialization": None if gone else newest,
    }


def _newest(key: str, days: Days) -> list[db.Select[Any]]:
    """The queries for the ids of the runs that an asset's page needs."""
    of_asset, of_days = _EVENTS.asset_key == key, _among(_EVENTS.partition, days)
    kind, check = (_EVENTS.dagster_event_type,), (_CHECKS.check_name, _CHECKS.partition)
    verdicts = [status.value for status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES]
    of_check = db.and_(_CHECKS.asset_key == key, _among(_CHECKS.partition, days))
    events = [
        db.select(db.func.max(_EVENTS.id)).where(of_asset).group_by(*kind),
        db.select(db.func.max(_EVENTS.id)).where(of_asset, of_days).group_by(*kind, _EVENTS.partition),
    ]
    records = [
        db.select(db.func.max(_CHECKS.id)).where(of_check).group_by(*check),
        db.select(db.func.max(_CHECKS.id))
        .where(of_check, _CHECKS.execution_status.in_(verdicts))
        .group_by(*check),
    ]
    return [
        *(db.select(_EVENTS.run_id).where(_EVENTS.id.in_(query)) for query in events),
        *(db.select(_CHECKS.run_id).where(_CHECKS.id.in_(query)) for query in records),
    ]


def _among(column: db.Column[str], days: Days) -> db.ColumnElement[bool]:
    return db.true() if days is None else db.or_(column.is_(None), column.in_(list(days)))
