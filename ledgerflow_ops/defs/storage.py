"""Dagster's storage with what this project needs of it: partitions that can be wiped, history that can end.

This is the one place that touches Dagster's tables. It was written against 1.13.27, which pyproject.toml
pins; a test compares the columns and the methods it builds on with what is installed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as db
from dagster import AssetKey, DagsterEventType, EventLogRecord
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
from dagster._serdes import ConfigurableClassData, deserialize_value, serialize_value
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy.engine import Connection

from ledgerflow_ops.core.environments import Environment

if TYPE_CHECKING:
    from dagster_postgres.auth import PgTokenProvider

_EVENTS = SqlEventLogStorageTable.c
_ASSETS = AssetKeyTable.c
_CHECKS = AssetCheckExecutionsTable.c
_MADE = DagsterEventType.ASSET_MATERIALIZATION.value
_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_WIPED = "wiped at "
_STALE_SECONDS = 60
"""Who read an asset's statuses before a wipe has written them back by then, or never will."""

Days = Collection[str] | None
"""The partitions of an asset that its page shows; None where every one counts."""


class LedgerEventLog(PostgresEventLogStorage):
    """The event log in which single partitions can be wiped."""

    def wipe_asset_partitions(self, asset_key: AssetKey, partition_keys: Sequence[str]) -> None:
        """Forget what was ever materialized, attempted and checked of these partitions; no file is touched.

        The events stay in the logs of their runs but no longer belong to the asset: with a partition taken
        away and nothing else, its history and its newest materialization would go on to show them. What a
        run in progress is about to do is no history yet, and stays.
        """
        if not partition_keys:
            return
        key, keys = asset_key.to_string(), list(partition_keys)
        with self.index_transaction() as conn:
            # One wipe at a time; and who has materialized waits to note that as the newest.
            found = conn.execute(
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
            if found:
                conn.execute(
                    db.update(AssetKeyTable)
                    .where(_ASSETS.asset_key == key)
                    .values(**_standing(conn, key, found.last_materialization, events))
                )

    def update_asset_cached_status_data(
        self, asset_key: AssetKey, cache_values: AssetStatusCacheValue
    ) -> None:
        """Note an asset's statuses, unless they may have been read before a wipe that has just been."""
        wiped = db.cast(db.func.substring(_ASSETS.cached_status_data, f"{_WIPED}([0-9.]+)"), db.Float)
        since = db.func.extract("epoch", db.func.now()) - db.func.coalesce(wiped, 0)
        with self.index_connection() as conn:
            conn.execute(
                db.update(AssetKeyTable)
                .where(_ASSETS.asset_key == asset_key.to_string(), since > _STALE_SECONDS)
                .values(cached_status_data=serialize_value(cache_values))
            )

    def runs_shown(self, days: Mapping[AssetKey, Days]) -> set[str]:
        """The runs that the pages of these assets need, by their ids.

        They hold an asset's newest event of each kind, altogether and for each of its days, or a check's
        newest record or verdict. An event of no partition counts for every asset.
        """
        found: set[str] = set()
        with self.index_connection() as conn:
            for asset, partitions in days.items():
                for query in _newest(asset.to_string(), partitions):
                    found.update(run_id for run_id in conn.execute(query).scalars() if run_id)
        return found

    def get_concurrency_keys(self) -> set[str]:
        """The pools that have a limit; each environment's is made to have the default one.

        The daemon asks for them and only then gives a pool that is new its limit, so that the first look of
        all at a long queue would start as many runs of one environment as there is room for.
        """
        found = super().get_concurrency_keys()
        new = {str(environment) for environment in Environment} - found
        for pool in new:
            self.initialize_concurrency_limit_to_default(pool)
        return super().get_concurrency_keys() if new else found

    def forget(self, run_ids: Sequence[str]) -> None:
        """Delete the verdicts and events of these runs; the runs themselves are the run storage's to delete.

        Dagster leaves the verdicts behind.
        """
        with self.index_connection() as conn:
            conn.execute(db.delete(AssetCheckExecutionsTable).where(_CHECKS.run_id.in_(run_ids)))
        for run_id in run_ids:
            self.delete_events(run_id)


_ENGINES: dict[str, db.Engine] = {}
_POOL: dict[str, Any] = {"pool_size": 2, "max_overflow": 20, "pool_recycle": 3600, "pool_pre_ping": True}
"""Connections that a process keeps open, those it may open beside them, and the seconds after which one is
replaced. Each is tried before it is used: the server may have been started anew meanwhile."""


def _engine(postgres_url: str) -> db.Engine:
    """This process's connections to the storage at that address.

    Dagster opens a connection for each query, some 300 in an idle minute of the daemon, and each costs the
    server a process.
    """
    if postgres_url not in _ENGINES:
        _ENGINES[postgres_url] = create_pg_engine(postgres_url, isolation_level="AUTOCOMMIT", **_POOL)
    return _ENGINES[postgres_url]


class LedgerStorage(DagsterPostgresStorage):
    """dagster-postgres's storage with that event log; dagster.yaml names it. The tables are the same."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: "PgTokenProvider | None" = None,
    ) -> None:
        # Each tick of a sensor makes an instance of its own: the tables are looked for by the first one.
        looked_for = should_autocreate_tables and postgres_url not in _ENGINES
        super().__init__(postgres_url, looked_for, inst_data, token_provider)
        # The tables are there by now, so this one need not look for them again.
        self._ledger_events = LedgerEventLog(postgres_url, False, token_provider=token_provider)
        if token_provider is None:
            engine = _engine(postgres_url)
            for part in (self._run_storage, self._schedule_storage, self._ledger_events):
                part._engine = engine  # noqa: SLF001

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LedgerStorage":
        return cls(
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._ledger_events


def _locked_events(conn: Connection, key: str, partitions: list[str]) -> list[int]:
    """The ids of an asset's events of these partitions, locked in the order in which runs are deleted."""
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
    """A check that a run in progress has announced and not carried out yet."""
    return db.and_(
        _CHECKS.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value,
        _CHECKS.run_id.in_(db.select(RunsTable.c.run_id).where(_in_progress())),
    )


def _in_progress() -> db.ColumnElement[bool]:
    return RunsTable.c.status.not_in([status.value for status in FINISHED_STATUSES])


def _standing(conn: Connection, key: str, newest: str | None, wiped: list[int]) -> dict[str, object]:
    """What an asset's own row says after the wipe of these events.

    Its statuses are computed anew by whoever asks next: what is noted here names no known partitions, and
    says when. The newest materialization is looked up among the events where the row has none.
    """
    ran = (
        db.select(_EVENTS.run_id)
        .where(_EVENTS.asset_key == key, _EVENTS.dagster_event_type.in_([_MADE, _PLANNED]))
        .order_by(_EVENTS.id.desc())
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
    """Queries for the ids of the runs that an asset's page needs."""
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
