"""The watch records moves into quarantine and back on the day's partition, once, whoever made them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.naming import DUMP
from ledgerflow_ops.defs.automation.folder_changes import FolderState
from ledgerflow_ops.defs.automation.quarantine_observation import read_quarantine
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.quarantined import quarantine_store, quarantined_backups
from ledgerflow_ops.operations.retention import quarantine
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

INSIDE = "in quarantine: no backup any more"
BACK = "moved back out of quarantine: verify it"
GONE = "neither in quarantine nor in the folder any more"
DUMP_KEY = dg.AssetKey(["dev", "dump"])


@pytest.fixture
def file(env: EnvironmentContext) -> str:
    """Today's backup, with one byte too many."""
    return add_bad(env, clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def add_bad(env: EnvironmentContext, at: datetime) -> str:
    folder = BackupFolder(env.ctx.settings.backup_root / "dev")
    file = folder.add_backup(at).dump.file
    dump = folder.path / file
    dump.write_bytes(dump.read_bytes() + b"x")
    return file


def tick(bench: Bench, before: str = "") -> str:
    """One tick of the watch, as the daemon records it; the digest that it leaves."""
    with bench.instance() as instance:
        digest, observations = read_quarantine(bench.env(), instance, before)
        for observation in observations:
            instance.report_runless_asset_event(observation)
    return digest


def observed(bench: Bench) -> list[dict[str, Any]]:
    """The observations, oldest first, with their partition."""
    with bench.instance() as instance:
        records = instance.fetch_observations(DUMP_KEY, 50, ascending=True).records
    return [
        {name: entry.value for name, entry in one.metadata.items()} | {"partition": one.partition}
        for record in records
        if (one := record.asset_observation)
    ]


def states(bench: Bench) -> list[str]:
    return [one["state"] for one in observed(bench)]


def test_a_move_and_its_undo_are_recorded_once_without_the_command(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    cursor = tick(bench)
    assert observed(bench) == []
    record = quarantine.quarantine(env, file, "one byte too many", "")
    for _ in range(2):
        cursor = tick(bench, cursor)
    [entry] = observed(bench)
    assert entry == {
        "partition": env.today().isoformat(),
        "state": INSIDE,
        "file": file,
        "moved": record.at.isoformat(),
        "who": "tests",
        "folder": quarantine_store(env).location,
        "was": f"{record.state}: {record.problem}",
        "why": "one byte too many",
        "undo": f"LEDGER_ENV=dev make quarantine FILE={file} UNDO=1",
    }
    quarantine.undo(env, file)
    for _ in range(2):
        cursor = tick(bench, cursor)
    [_, back] = observed(bench)
    assert (back["state"], back["file"], back["partition"]) == (BACK, file, env.today().isoformat())
    assert back["next"] == f"LEDGER_ENV=dev make verify FILE={file}"
    assert file in env.store.names(DUMP)


def test_nothing_is_recorded_twice_or_lost_with_the_cursor(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    """A cursor is lost when its sensor is reset; a tick cut off has recorded and left no cursor."""
    quarantine.quarantine(env, file, "", "")
    for _ in range(2):
        tick(bench)
    assert states(bench) == [INSIDE]
    quarantine.undo(env, file)
    for _ in range(2):
        tick(bench)
    assert states(bench) == [INSIDE, BACK]
    quarantine.quarantine(env, file, "", "")
    for _ in range(2):
        tick(bench)
    assert states(bench) == [INSIDE, BACK, INSIDE]


def test_a_move_between_two_ticks_back_and_in_again_is_a_new_one(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "first", "")
    cursor = tick(bench)
    quarantine.undo(env, file)
    quarantine.quarantine(env, file, "second", "")
    tick(bench, cursor)
    first, back, second = observed(bench)
    assert (first["state"], first["why"]) == (INSIDE, "first")
    assert (back["state"], back["moved"]) == (BACK, first["moved"])
    assert (second["state"], second["why"]) == (INSIDE, "second")
    tick(bench)
    assert len(observed(bench)) == 3


def test_what_an_earlier_version_has_recorded_is_not_recorded_again(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "", "")
    earlier = dg.AssetObservation(
        DUMP_KEY, partition=env.today().isoformat(), metadata={"state": INSIDE, "file": file}
    )
    with bench.instance() as instance:
        instance.report_runless_asset_event(earlier)
        instance.report_runless_asset_event(dg.AssetObservation(DUMP_KEY, metadata={"of": "somebody else"}))
    tick(bench)
    assert [one.get("state") for one in observed(bench)] == [INSIDE, None]
    quarantine.undo(env, file)
    tick(bench)
    assert [one.get("state") for one in observed(bench)] == [INSIDE, None, BACK]


def test_a_move_that_is_not_finished_is_recorded_when_it_is(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "", "")
    [record] = quarantined_backups(env)
    store = quarantine_store(env)
    ending = f"{record.key}.quarantine.json"
    store.replace(ending, record.model_copy(update={"complete": False}).encode())
    cursor = tick(bench)
    assert observed(bench) == []
    store.replace(ending, record.encode())
    cursor = tick(bench, cursor)
    assert states(bench) == [INSIDE]
    store.replace(ending, record.model_copy(update={"complete": False, "undo": True}).encode())
    tick(bench, cursor)
    assert states(bench) == [INSIDE], "it is still on its way"


def test_a_record_that_cannot_be_read_is_not_taken_for_an_undo(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "", "")
    cursor = tick(bench)
    [record] = quarantined_backups(env)
    quarantine_store(env).replace(f"{record.key}.quarantine.json", b"{")
    tick(bench, cursor)
    assert states(bench) == [INSIDE]


def test_files_that_somebody_removed_from_the_quarantine_are_not_called_moved_back(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "", "")
    cursor = tick(bench)
    store = quarantine_store(env)
    for name in store.names("json", "dump", ""):
        store.delete(name)
    tick(bench, cursor)
    assert states(bench) == [INSIDE, GONE]
    assert observed(bench)[-1]["next"] == "LEDGER_ENV=dev make status"


def test_a_day_without_a_partition_is_left_out(bench: Bench, env: EnvironmentContext, file: str) -> None:
    old = add_bad(env, clock.now().astimezone(UTC) - timedelta(days=400))
    quarantine.quarantine(env, old, "", "")
    tick(bench)
    assert observed(bench) == []
    quarantine.quarantine(env, file, "", "")
    tick(bench)
    assert [one["file"] for one in observed(bench)] == [file]


def test_an_unchanged_quarantine_asks_dagster_nothing(
    bench: Bench, env: EnvironmentContext, file: str
) -> None:
    quarantine.quarantine(env, file, "", "")
    with bench.instance() as instance:
        digest, observations = read_quarantine(env, instance, "")
        assert len(observations) == 1
        assert read_quarantine(env, instance, digest) == (digest, []), "it would find the move not recorded"


def test_the_cursor_keeps_the_quarantine() -> None:
    state = FolderState("digest", {"a.dump": "1 2"}, "quarantine")
    assert FolderState.parse(str(state)) == state
    assert FolderState.parse('{"digest": "digest", "dumps": {}}') == FolderState("digest", {}, "")
