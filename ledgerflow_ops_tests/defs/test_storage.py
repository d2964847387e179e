"""Single partitions are wiped: they disappear from the pages at once, and everything else stays."""

import dataclasses
import inspect
import secrets
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dagster import AssetKey, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.partition_status_cache import AssetStatusCacheValue
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.version import __version__ as POSTGRES_VERSION  # noqa: N812

from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.defs.newest_day_storage import NewestDayEventLog
from ledgerflow_ops.defs.storage import LedgerEventLog, LedgerStorage
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs import pages, storage
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.pages import DRILL, DUMP, Page, page, ran, wipes
from ledgerflow_ops_tests.defs.test_runs import order

TODAY = clock.now().date()


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


DAYS = dg.DailyPartitionsDefinition(day(9), end_offset=1)
NOTHING = Page({}, {}, {}, {}, (), None, None)


@dataclasses.dataclass(frozen=True)
class Toy:
    """The small chain in an instance."""

    instance: DagsterInstance
    definitions: dg.Definitions

    def run(self, ago: int, **tags: str) -> str:
        return ran(self.instance, self.definitions, day(ago), **tags)

    def page(self, key: AssetKey) -> Page:
        return page(self.instance, self.definitions.resolve_asset_graph(), key)

    def wipe(self, key: AssetKey, *agos: int) -> None:
        self.instance.wipe_asset_partitions(key, [day(ago) for ago in agos])


@pytest.fixture(scope="module")
def shared(session_root: Path, embedded: EmbeddedPostgres, template: str) -> Iterator[Bench]:
    """One storage for the tests of the small chain: to make it and drop it takes longer than they do."""
    folder = session_root / secrets.token_hex(4)
    folder.mkdir()
    with storage.fresh(embedded.start(), template) as made:
        yield Bench(folder, made)


@pytest.fixture
def toy(shared: Bench) -> Iterator[Toy]:
    """The small chain, with nothing on record of it."""
    with shared.storage.connect() as connection:
        connection.execute(
            "TRUNCATE public.event_logs, public.asset_keys, public.asset_event_tags,"
            " public.asset_check_executions, public.runs CASCADE"
        )
    with shared.instance() as opened:
        yield Toy(opened, pages.toy(DAYS))


def without(shown: Page, *agos: int) -> Page:
    """The page as it has to be once these days are wiped."""
    gone = {day(ago) for ago in agos}
    history = tuple(made for made in shown.history if made[1] not in gone)
    return Page(
        {key: value for key, value in shown.statuses.items() if key not in gone},
        {key: value for key, value in shown.newest.items() if key not in gone},
        {key: value for key, value in shown.checks.items() if key[1] not in gone},
        {key: value for key, value in shown.verdicts.items() if key[1] not in gone},
        history,
        history[0][0] if history else None,
        shown.last_run,
    )


class TestWiping:
    def test_takes_away_all_that_is_shown_of_the_days_and_nothing_else(self, toy: Toy) -> None:
        runs = {ago: toy.run(ago) for ago in (5, 4, 3, 2, 1)}
        toy.run(2, unwell="1")
        toy.run(6, fail="dump")
        last = toy.run(5)
        before = {key: toy.page(key) for key in (DUMP, DRILL)}
        assert before[DRILL].statuses == {
            day(6): "FAILED",
            **{day(ago): "MATERIALIZED" for ago in (5, 4, 3, 2, 1)},
        }
        assert before[DRILL].checks["whole", day(2)] == "FAILED"
        assert before[DRILL].checks["whole", day(6)] == "EXECUTION_FAILED"

        toy.wipe(DRILL, 6, 2, 1)
        newest_left = dataclasses.replace(without(before[DRILL], 6, 2, 1), last_run=runs[3])
        assert toy.page(DRILL) == newest_left
        assert toy.page(DUMP) == before[DUMP], "the other asset was touched"
        assert [(wipe.asset_key, set(wipe.partition_keys)) for wipe in wipes(toy.instance)] == [
            (DRILL, {day(6), day(2), day(1)})
        ]
        # Its newest goes: the one before it is the newest now. The last run is that of the newest day.
        toy.wipe(DUMP, 5, 6)
        shown = toy.page(DUMP)
        assert last not in (shown.latest, shown.last_run)
        assert shown == dataclasses.replace(without(before[DUMP], 5, 6), last_run=runs[1])
        assert toy.instance.get_latest_data_version_record(DUMP, partition_key=day(5)) is None
        assert len(toy.instance.get_event_tags_for_asset(DUMP)) == len(shown.history)

    def test_an_older_day_does_not_become_the_last_run_or_the_checks_that_are_shown(self, toy: Toy) -> None:
        """A backfill of old days, refused or not, leaves the newest day's state on the overview."""
        keys = sorted(toy.definitions.resolve_asset_graph().get_check_keys_for_assets({DRILL}))
        newest = toy.run(1)
        for refused in (True, False):
            older = toy.run(4, fail="drill") if refused else toy.run(4)
            shown = toy.page(DRILL)
            assert shown.last_run == toy.page(DUMP).last_run == newest
            planned = toy.instance.get_latest_planned_materialization_info(DRILL)
            assert planned
            assert planned.run_id == newest
            assert shown.statuses[day(4)] == ("FAILED" if refused else "MATERIALIZED")
            records = toy.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
            assert {(record.partition, record.run_id) for record in records.values()} == {(day(1), newest)}
            of_day = toy.instance.event_log_storage.get_latest_asset_check_execution_by_key(
                keys, PartitionKeyFilter(key=day(4))
            )
            assert {record.run_id for record in of_day.values()} == {older}
        failed = toy.run(0, fail="drill")
        toy.run(3)
        assert toy.page(DRILL).last_run == failed

    def test_leaves_the_runs_their_logs(self, toy: Toy) -> None:
        run = toy.run(1)
        before = [entry.event_log_entry for entry in toy.instance.get_records_for_run(run).records]
        toy.wipe(DUMP, 1)
        toy.wipe(DRILL, 1)
        assert [entry.event_log_entry for entry in toy.instance.get_records_for_run(run).records] == before
        assert toy.instance.get_run_by_id(run) is not None

    def test_of_everything_leaves_nothing_and_another_materialization_counts(self, toy: Toy) -> None:
        toy.run(2)
        toy.run(1, unwell="1")
        toy.wipe(DRILL, 1, 2)
        assert toy.page(DRILL) == NOTHING
        again = toy.run(1)
        assert toy.page(DRILL).statuses == {day(1): "MATERIALIZED"}
        assert toy.page(DRILL).history == ((again, day(1)),)
        assert toy.page(DRILL).checks == {("whole", day(1)): "SUCCEEDED"}

    def test_twice_changes_nothing_more(self, toy: Toy) -> None:
        toy.run(2)
        toy.run(1)
        toy.wipe(DRILL, 1)
        once = toy.page(DRILL)
        toy.wipe(DRILL, 1)
        assert toy.page(DRILL) == once
        assert len(wipes(toy.instance)) == 2

    def test_of_what_is_not_there_changes_nothing(self, toy: Toy) -> None:
        toy.run(1)
        before = toy.page(DRILL), toy.page(DUMP)
        toy.wipe(DRILL, 5)
        toy.instance.wipe_asset_partitions(DRILL, ["never a day", "'; DROP TABLE runs; --"])
        toy.instance.wipe_asset_partitions(DRILL, [])
        toy.instance.wipe_asset_partitions(AssetKey(["toy", "nobody"]), [day(1)])
        assert (toy.page(DRILL), toy.page(DUMP)) == before
        assert set(toy.instance.all_asset_keys()) == {DUMP, DRILL}

    def test_is_not_undone_by_who_read_the_statuses_before(self, toy: Toy) -> None:
        """A page reads, computes and notes the statuses; a wipe may come in between."""
        toy.run(2)
        toy.run(1)
        toy.page(DUMP)
        [record] = toy.instance.get_asset_records([DUMP])
        read = record.asset_entry.cached_status
        assert read is not None
        toy.wipe(DUMP, 1)
        toy.instance.update_asset_cached_status_data(DUMP, read)
        assert set(toy.page(DUMP).statuses) == {day(2)}

    def test_lets_statuses_be_noted_again_after_a_while(self, toy: Toy, shared: Bench) -> None:
        toy.run(1)
        toy.wipe(DUMP, 1)
        toy.run(2)
        with shared.storage.connect() as connection:
            connection.execute(
                "UPDATE public.asset_keys SET cached_status_data = regexp_replace(cached_status_data,"
                " 'wiped at [0-9]+', 'wiped at ' || floor(extract(epoch FROM now()) - 61))"
            )
        assert set(toy.page(DUMP).statuses) == {day(2)}
        [record] = toy.instance.get_asset_records([DUMP])
        noted = record.asset_entry.cached_status
        assert noted is not None
        assert noted.partitions_def_id == DAYS.get_serializable_unique_identifier()


class TestARunInProgress:
    """The wipe comes within a step of the run itself."""

    def test_goes_on_to_be_shown_and_counts_when_it_is_done(self, toy: Toy) -> None:
        seen: list[tuple[Page, Page]] = []

        def act(step: AssetKey, opened: DagsterInstance) -> None:
            if step == DUMP:
                inner = Toy(opened, definitions)
                inner.wipe(DUMP, 1)
                inner.wipe(DRILL, 1)
                seen.append((inner.page(DUMP), inner.page(DRILL)))

        definitions = pages.toy(DAYS, act)
        toy.run(1, unwell="1")
        run = ran(toy.instance, definitions, day(1))
        [(dump, drill)] = seen
        assert dump.statuses == drill.statuses == {day(1): "IN_PROGRESS"}
        assert dump.history == drill.history == ()
        assert drill.verdicts == {("whole", day(1)): ("PLANNED", run)}
        for key in (DUMP, DRILL):
            assert toy.page(key).statuses == {day(1): "MATERIALIZED"}
            assert toy.page(key).history == ((run, day(1)),)
        assert toy.page(DRILL).checks == {("whole", day(1)): "SUCCEEDED"}

    def test_that_fails_afterwards_is_shown_as_failed(self, toy: Toy) -> None:
        def act(step: AssetKey, opened: DagsterInstance) -> None:
            opened.wipe_asset_partitions(step, [day(1)])

        ran(toy.instance, pages.toy(DAYS, act), day(1), fail="dump")
        assert toy.page(DUMP).statuses == toy.page(DRILL).statuses == {day(1): "FAILED"}

    def test_that_has_made_its_part_already_has_that_wiped(self, toy: Toy) -> None:
        def act(step: AssetKey, opened: DagsterInstance) -> None:
            if step == DRILL:
                opened.wipe_asset_partitions(DUMP, [day(1)])

        ran(toy.instance, pages.toy(DAYS, act), day(1), fail="drill")
        assert toy.page(DUMP) == NOTHING
        assert toy.page(DRILL).statuses == {day(1): "FAILED"}


def test_wipes_runs_and_deletions_at_once_end_well(toy: Toy) -> None:
    """No deadlock, no error, and at the end the statuses are those of the events that are left."""
    ends, troubles = threading.Event(), []

    def again_and_again(act: Callable[[DagsterInstance], object]) -> None:
        try:
            while not ends.is_set():
                act(toy.instance)
        except Exception as error:  # noqa: BLE001 - asserted below
            troubles.append(error)

    def delete(opened: DagsterInstance) -> None:
        for run_id in opened.get_run_ids()[3:]:
            opened.delete_run(run_id)

    acts: list[Callable[[DagsterInstance], object]] = [
        lambda opened: opened.wipe_asset_partitions(DUMP, [day(1), day(2)]),
        lambda opened: opened.wipe_asset_partitions(DRILL, [day(2), day(1)]),
        lambda _: toy.page(DRILL),
        delete,
    ]
    threads = [threading.Thread(target=again_and_again, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    try:
        for ago in (1, 2, 3) * 2:
            toy.run(ago)
    finally:
        ends.set()
        for thread in threads:
            thread.join(60)
    assert troubles == []
    for key in (DUMP, DRILL):
        toy.wipe(key, 1)
        shown = toy.page(key)
        assert set(shown.statuses) == set(shown.newest)
        assert day(1) not in shown.statuses


def test_thirty_of_3650_days_are_wiped_in_a_fraction_of_the_time_that_showing_them_takes(
    toy: Toy, shared: Bench
) -> None:
    toy.run(1)
    many = dg.DailyPartitionsDefinition("2016-01-01", end_date="2025-12-29")
    keys = many.get_partition_keys()
    assert len(keys) == 3650
    with shared.storage.connect() as connection:
        connection.execute(
            "INSERT INTO public.event_logs"
            " (run_id, event, dagster_event_type, timestamp, asset_key, partition)"
            " SELECT run_id, event, dagster_event_type, timestamp, asset_key, day"
            " FROM public.event_logs, unnest(%s::text[]) AS day WHERE asset_key IS NOT NULL ORDER BY day, id",
            [keys],
        )
        connection.execute(
            "INSERT INTO public.asset_event_tags (event_id, asset_key, key, value, event_timestamp)"
            " SELECT id, asset_key, 'toy', 'tag', timestamp FROM public.event_logs WHERE partition < '2026'"
        )
        connection.execute(
            "INSERT INTO public.asset_check_executions"
            " (asset_key, check_name, partition, run_id, execution_status, evaluation_event_storage_id)"
            " SELECT asset_key, check_name, day, run_id, execution_status, evaluation_event_storage_id"
            " FROM public.asset_check_executions, unnest(%s::text[]) AS day",
            [keys],
        )
        connection.execute("ANALYZE")
    begun = time.perf_counter()
    shown = toy.instance.get_status_by_partition(DRILL, keys, many)
    showing = time.perf_counter() - begun
    assert shown is not None
    begun = time.perf_counter()
    toy.instance.wipe_asset_partitions(DRILL, keys[:30])
    wiping = time.perf_counter() - begun
    print(f"\nwiping 30 of 3,650 days: {wiping * 1000:.0f} ms, {wiping / showing:.2f} of showing them all")
    left = toy.instance.get_status_by_partition(DRILL, keys, many) or {}
    assert [key for key, status in left.items() if status is None] == keys[:30]
    assert len(toy.instance.get_materialized_partitions(DUMP)) == 3651, "the other asset was touched"


def test_a_backups_wiped_partition_is_missing_and_its_files_are_there(bench: Bench) -> None:
    env = bench.env()
    assert order(env).failure is None
    files = {file: file.stat().st_mtime_ns for file in backup_folder_of(env).path.iterdir()}
    key, today = AssetKey(["dev", "dump"]), env.today().isoformat()
    with bench.instance() as opened:
        opened.wipe_asset_partitions(key, [today])
    assert bench.materialized("dev/dump") == set()
    assert bench.materialized("dev/drill") == {today}
    assert bench.verdicts("dev/dump") == []
    assert len(bench.verdicts("dev/drill")) == 2
    assert {file: file.stat().st_mtime_ns for file in backup_folder_of(env).path.iterdir()} == files


@contextmanager
def recorded_queries() -> Iterator[tuple[list[str], list[str]]]:
    """The statements that SQLAlchemy executes during the block, and the URLs that it connects to."""
    statements, connections = list[str](), list[str]()

    def executed(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(" ".join(statement.split()))

    def connected(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> None:
        connections.append(str(parameters.get("dbname")))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", executed)
    sqlalchemy.event.listen(sqlalchemy.Engine, "do_connect", connected)
    try:
        yield statements, connections
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", executed)
        sqlalchemy.event.remove(sqlalchemy.Engine, "do_connect", connected)


class TestAskingTheServer:
    def test_an_instance_opens_few_connections_and_inspects_the_tables_once(self, bench: Bench) -> None:
        name = bench.storage.parameters["dbname"]
        with recorded_queries() as (statements, connections):
            for _ in range(2):
                with bench.instance() as opened:
                    assert opened.get_run_ids() == []
                    assert opened.all_asset_keys() == []
        assert connections == [name]
        inspected = [one for one in statements if "pg_catalog" in one]
        assert len(inspected) == 2, "\n".join(inspected)  # all tables, and the columns of asset_keys

    def test_a_run_inspects_each_table_and_column_once(self, bench: Bench) -> None:
        with bench.instance() as opened, recorded_queries() as (statements, connections):
            for ago in (2, 1):
                Toy(opened, pages.toy(DAYS)).run(ago)
        inspected = [one for one in statements if "pg_catalog" in one]
        assert 0 < len(inspected) <= 7, "\n".join(inspected)  # the tables and columns that Dagster asks for
        assert len(connections) <= 3, "a connection for each query"

    def test_a_storage_without_tables_gets_them(self, root: Path, embedded: EmbeddedPostgres) -> None:
        with storage.fresh(embedded.start()) as empty, Bench(root, empty).instance() as opened:
            assert opened.get_run_ids() == []
            with empty.connect() as connection:
                rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                assert {str(table) for (table,) in rows} == TABLES

    def test_a_missing_table_is_created(self, bench: Bench) -> None:
        with bench.storage.connect() as connection:
            connection.execute("DROP TABLE public.instance_info")
        with bench.instance():
            pass
        with bench.storage.connect() as connection:
            assert connection.execute("SELECT count(*) FROM public.instance_info").fetchone() is not None


class TestTheClass:
    def test_is_the_one_of_every_instance(self, toy: Toy) -> None:
        assert isinstance(toy.instance.event_log_storage, LedgerEventLog)
        with DagsterInstance.from_ref(toy.instance.get_ref()) as other:  # as a run's own process opens it
            assert isinstance(other.event_log_storage, LedgerEventLog)
            assert isinstance(other.get_ref().storage, LedgerStorage)

    def test_goes_on_where_an_older_dagster_yaml_left_off_and_back(
        self, toy: Toy, shared: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        older = shared.root / "older"
        older.mkdir()
        (older / "dagster.yaml").write_text(OLDER)

        @contextmanager
        def opened_as_before() -> Iterator[DagsterInstance]:
            with monkeypatch.context() as patch:
                patch.setenv("DAGSTER_HOME", str(older))
                patch.setenv(dagster_home.STORAGE, shared.storage.sqlalchemy_url())
                with DagsterInstance.get() as found:
                    assert type(found.event_log_storage).__name__ == "PostgresEventLogStorage"
                    yield found

        with opened_as_before() as before:
            first = Toy(before, pages.toy(DAYS))
            first.run(2)
            first.run(1)
            shown = first.page(DRILL)
        assert toy.page(DRILL) == shown
        toy.wipe(DRILL, 1)
        with opened_as_before() as before:
            third = Toy(before, pages.toy(DAYS))
            assert third.page(DRILL).statuses == {day(2): "MATERIALIZED"}
            with pytest.raises(NotImplementedError):
                third.wipe(DRILL, 2)


OLDER = """
storage:
  postgres:
    postgres_url:
      env: LEDGERFLOW_STORAGE_URL
telemetry:
  enabled: false
"""

COLUMNS = {
    "event_logs": "id:bigint run_id:varchar event:text dagster_event_type:text timestamp:timestamp"
    " step_key:text asset_key:text partition:text",
    "asset_keys": "id:bigint asset_key:varchar last_materialization:text last_run_id:varchar"
    " asset_details:text wipe_timestamp:timestamp last_materialization_timestamp:timestamp tags:text"
    " create_timestamp:timestamp cached_status_data:text",
    "asset_event_tags": "id:bigint event_id:bigint asset_key:text key:text value:text"
    " event_timestamp:timestamp",
    "asset_check_executions": "id:bigint asset_key:text check_name:text partition:text run_id:varchar"
    " execution_status:varchar evaluation_event:text evaluation_event_timestamp:timestamp"
    " evaluation_event_storage_id:bigint materialization_event_storage_id:bigint"
    " create_timestamp:timestamp",
    "runs": "id:bigint run_id:varchar snapshot_id:varchar pipeline_name:text mode:text status:varchar"
    " run_body:text partition:text partition_set:text create_timestamp:timestamp"
    " update_timestamp:timestamp start_time:float8 end_time:float8 backfill_id:varchar",
}
TABLES = {
    "alembic_version", "asset_check_executions", "asset_daemon_asset_evaluations", "asset_event_tags",
    "asset_keys", "backfill_tags", "bulk_actions", "concurrency_limits", "concurrency_slots",
    "daemon_heartbeats", "dynamic_partitions", "event_logs", "instance_info", "instigators", "job_ticks",
    "jobs", "kvs", "pending_steps", "run_tags", "runs", "secondary_indexes", "snapshots",
}  # fmt: skip
PARAMETERS = {
    (PostgresEventLogStorage, "get_concurrency_keys"): "self",
    (PostgresEventLogStorage, "initialize_concurrency_limit_to_default"): "self concurrency_key",
    (EventLogStorage, "wipe_asset_partitions"): "self asset_key partition_keys",
    (PostgresEventLogStorage, "wipe_asset_partitions"): "self asset_key partition_keys",
    (PostgresEventLogStorage, "update_asset_cached_status_data"): "self asset_key cache_values",
    (PostgresEventLogStorage, "delete_events"): "self run_id",
    (PostgresEventLogStorage, "get_latest_asset_check_execution_by_key"): "self check_keys partition_filter",
    (PostgresEventLogStorage, "get_latest_planned_materialization_info"): "self asset_key partition",
    (PostgresEventLogStorage, "_get_asset_entry_values"): "self event event_id has_asset_key_index_cols",
    (PostgresEventLogStorage, "_store_runless_asset_check_evaluation"): "self event event_id",
    (PostgresEventLogStorage, "get_asset_records"): "self asset_keys",
    (PostgresEventLogStorage, "fetch_materializations"): "self records_filter limit cursor ascending",
    (PostgresEventLogStorage, "_event_insert_timestamp"): "self event",
    (PostgresEventLogStorage, "index_transaction"): "self",
    (PostgresEventLogStorage, "index_connection"): "self",
    (PostgresEventLogStorage, "has_table"): "self table_name",
    (PostgresEventLogStorage, "_has_asset_key_col_on_connection"): "self conn column_name",
    (PostgresRunStorage, "has_run_stats_index_cols"): "self",
    (PostgresRunStorage, "has_backfill_id_column"): "self",
    (PostgresRunStorage, "__init__"): ("self postgres_url should_autocreate_tables inst_data token_provider"),
    (PostgresEventLogStorage, "__init__"): (
        "self postgres_url should_autocreate_tables inst_data token_provider"
    ),
    (DagsterPostgresStorage, "__init__"): (
        "self postgres_url should_autocreate_tables inst_data token_provider"
    ),
    (DagsterPostgresStorage, "from_config_value"): "inst_data config_value",
    (DagsterPostgresStorage, "config_type"): "",
    (AssetStatusCacheValue, "__new__"): (
        "cls latest_storage_id partitions_def_id serialized_materialized_partition_subset"
        " serialized_failed_partition_subset serialized_in_progress_partition_subset"
        " earliest_in_progress_materialization_event_id"
    ),
}


class TestWhatItWasWrittenAgainst:
    """Fails when Dagster's own part changes: then storage.py must be reviewed line by line."""

    def test_the_version_is_the_pinned_one(self) -> None:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
        assert f"dagster=={dg.__version__}" in project["dependencies"]
        assert f"dagster-postgres=={POSTGRES_VERSION}" in project["dependencies"]
        assert dg.__version__ == "1.13.27"

    def test_the_tables_have_the_columns_that_are_written_down(self, shared: Bench) -> None:
        with shared.storage.connect() as connection:
            rows = connection.execute(
                "SELECT table_name, string_agg(column_name || ':' || udt_name, ' ' ORDER BY ordinal_position)"
                " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1"
            ).fetchall()
        found = {str(table): str(columns).replace("int8", "bigint") for table, columns in rows}
        assert {table: found[table] for table in COLUMNS} == COLUMNS
        assert set(found) == TABLES, "another table may hold something of a partition"

    @pytest.mark.parametrize(("owner", "name"), PARAMETERS)
    def test_what_it_overrides_and_calls_takes_what_it_took(self, owner: Any, name: str) -> None:
        assert " ".join(inspect.signature(getattr(owner, name)).parameters) == PARAMETERS[owner, name]

    def test_what_it_overrides_is_there(self) -> None:
        own = {**vars(NewestDayEventLog), **vars(LedgerEventLog)}
        ours = {name for name in own if inspect.isfunction(getattr(LedgerEventLog, name))}
        assert {name for name in ours if hasattr(PostgresEventLogStorage, name)} == {
            "wipe_asset_partitions",
            "update_asset_cached_status_data",
            "get_concurrency_keys",
            "has_table",
            "_has_asset_key_col_on_connection",
            "get_latest_asset_check_execution_by_key",
            "get_latest_planned_materialization_info",
            "_store_runless_asset_check_evaluation",
            "get_asset_records",
            "fetch_materializations",
            "_get_asset_entry_values",
        }
