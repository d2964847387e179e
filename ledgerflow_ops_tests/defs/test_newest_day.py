"""The latest materialization that the page shows is that of the newest day; the daemon goes by the log."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import AssetKey, AssetRecordsFilter, EventLogRecord
from dagster._core.storage.event_log.base import EventLogStorage

from ledgerflow_ops.defs.newest_day_storage import NewestDayEventLog
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.pages import DRILL, DUMP
from ledgerflow_ops_tests.defs.test_storage import Toy, day, shared, toy

__all__ = ["shared", "toy"]


@pytest.fixture
def events(toy: Toy) -> Iterator[NewestDayEventLog]:
    """The storage as the web server has it."""
    found = toy.instance.event_log_storage
    assert isinstance(found, NewestDayEventLog)
    found.newest_day_first = True
    yield found
    found.newest_day_first = False


def last(events: EventLogStorage, key: AssetKey) -> EventLogRecord:
    """The last materialization, as an asset's node in the page asks for it."""
    [record] = events.get_asset_records([key])
    made = record.asset_entry.last_materialization_record
    assert made is not None
    return made


def shown(events: EventLogStorage, key: AssetKey) -> set[str | None]:
    """The days of the latest materialization, by each way in which the page asks."""
    asked = (AssetRecordsFilter(key), key)
    records = [events.fetch_materializations(one, limit=1).records[0] for one in asked]
    return {record.partition_key for record in (*records, last(events, key))}


def test_the_latest_is_that_of_the_newest_day(toy: Toy, events: NewestDayEventLog) -> None:
    first = toy.run(0)
    for ago in (3, 2):
        toy.run(ago)
    assert shown(events, DUMP) == shown(events, DRILL) == {day(0)}
    assert last(events, DUMP).run_id == first
    again = toy.run(0)
    assert last(events, DUMP).run_id == again, "of the day, the newest"
    events.newest_day_first = False
    toy.run(2)
    assert shown(events, DUMP) == {day(2)}


def test_the_place_in_the_log_stays_that_of_the_newest_event(toy: Toy, events: NewestDayEventLog) -> None:
    """Otherwise the cache of statuses would never read the older day."""
    toy.run(0)
    toy.page(DUMP)
    toy.run(3)
    assert toy.page(DUMP).statuses == {day(0): "MATERIALIZED", day(3): "MATERIALIZED"}
    place = last(events, DUMP).storage_id
    events.newest_day_first = False
    assert last(events, DUMP).storage_id == place


def test_the_history_is_in_the_order_of_the_log(toy: Toy, events: NewestDayEventLog) -> None:
    for ago in (3, 0, 2):
        toy.run(ago)
    found = events.fetch_materializations(AssetRecordsFilter(DUMP), limit=3).records
    assert [record.partition_key for record in found] == [day(2), day(0), day(3)]
    oldest = events.fetch_materializations(AssetRecordsFilter(DUMP), limit=1, ascending=True)
    assert [record.partition_key for record in oldest.records] == [day(3)]
    before = AssetRecordsFilter(DUMP, before_storage_id=found[0].storage_id + 1)
    assert events.fetch_materializations(before, limit=1).records[0].partition_key == day(2)
    cursor = events.fetch_materializations(AssetRecordsFilter(DUMP), limit=2).cursor
    rest = events.fetch_materializations(AssetRecordsFilter(DUMP), limit=1, cursor=cursor)
    assert [record.partition_key for record in rest.records] == [day(3)]


def test_a_wiped_newest_day_gives_way_to_the_one_before(toy: Toy, events: NewestDayEventLog) -> None:
    for ago in (0, 3, 2):
        toy.run(ago)
    toy.wipe(DUMP, 0)
    assert shown(events, DUMP) == {day(2)}


def test_an_attempt_of_the_newest_day_that_failed_is_no_materialization(
    toy: Toy, events: NewestDayEventLog
) -> None:
    toy.run(2)
    toy.run(0, fail="dump")
    toy.run(3)
    assert shown(events, DUMP) == {day(2)}


def test_an_asset_without_days_and_one_without_a_materialization(toy: Toy, events: NewestDayEventLog) -> None:
    assert events.get_asset_records([DUMP]) == []
    assert events.fetch_materializations(DUMP, limit=1).records == []
    plain = AssetKey("plain")
    for _ in range(2):
        toy.instance.report_runless_asset_event(dg.AssetMaterialization(plain))
    assert shown(events, plain) == {None}
    toy.run(0)
    assert len(events.get_asset_records([plain, DUMP])) == 2
    assert len(events.get_asset_records()) == 3


def test_a_check_result_without_a_run_is_replaced_at_once_or_not_at_all(toy: Toy, shared: Bench) -> None:
    def report(passed: bool) -> None:
        toy.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(DRILL, "whole", passed, {}, partition=day(0))
        )

    def verdicts() -> list[str]:
        key = dg.AssetCheckKey(DRILL, "whole")
        history = toy.instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        return [record.status.value for record in history]

    report(True)
    report(False)
    assert verdicts() == ["FAILED"]
    with shared.storage.connect() as connection:
        connection.execute(
            "ALTER TABLE public.asset_check_executions ADD CONSTRAINT no_more"
            " CHECK (execution_status <> 'SUCCEEDED') NOT VALID"
        )
    try:
        with pytest.raises(Exception, match="no_more"):
            report(True)
    finally:
        with shared.storage.connect() as connection:
            connection.execute("ALTER TABLE public.asset_check_executions DROP CONSTRAINT no_more")
    assert verdicts() == ["FAILED"], "the earlier result is still there"
