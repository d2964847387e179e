"""The catalog as people see it: the frame, the table, the chart, also of nothing and of very much."""

import base64
import re
import time
from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
import pandas as pd
import pytest
from dagster import AssetKey

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.assets.catalog_table import (
    COLUMNS,
    DISPLAYED_COLUMNS,
    catalog_frame,
    displayed_cells,
    size_chart,
)
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.e2e.commands import flip_bit

DAY = date(2026, 3, 9)


def envs(bench: Bench) -> list[EnvironmentContext]:
    return [bench.env(environment) for environment in Environment]


def materialized(bench: Bench) -> dict[str, object]:
    """The metadata of the catalog asset, materialized by its job."""
    with bench.instance() as opened:
        job = build_definitions(bench.settings()).resolve_job_def("catalog_job")
        assert job.execute_in_process(instance=opened).success
        event = opened.get_latest_materialization_event(AssetKey("catalog"))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}


def picture(markdown: object) -> str:
    """The SVG inside the Markdown."""
    found = re.fullmatch(r"!\[[^]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", str(markdown))
    assert found, "the page shows nothing but such pictures"
    return base64.b64decode(found[1]).decode()


def breakable(text: object) -> str:
    """`text` with the signs that keep the page from breaking a line put back to the common ones."""
    return str(text).replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")


def proven(env: EnvironmentContext) -> Manifest:
    manifest = backup.backup(env)
    drill.drill(env, BackupName.of(manifest.dump.file))
    return manifest


def test_of_nothing_at_all_it_is_empty_and_says_so(bench: Bench) -> None:
    assert list(catalog_frame(envs(bench)).columns) == COLUMNS
    told = materialized(bench)
    assert (told["backups"], told["proven"]) == (0, 0)
    assert told["over_days"] == "No backups yet."
    assert str(told["standing"]).count("NOTHING") == 3


def test_every_dump_is_a_row_whatever_is_known_of_it(bench: Bench, env: EnvironmentContext) -> None:
    yesterday = bench.env(now=lambda: clock.now() - timedelta(days=1))
    good = proven(yesterday)
    bad = backup.backup(env)
    flip_bit(backup_folder_of(env).file(bad.dump.file))
    drill.drill(env, BackupName.of(bad.dump.file))
    (backup_folder_of(env).path / "by_hand.dump").write_bytes(
        backup_folder_of(env).file(good.dump.file).read_bytes()
    )

    table = catalog_frame(envs(bench))
    assert list(table.columns) == COLUMNS
    assert table["file"].tolist() == [bad.dump.file, good.dump.file, "by_hand.dump"], "newest first"
    assert table["state"].tolist() == ["bad", "valid", "no manifest"]
    assert table["proven"].tolist() == [False, True, False]
    assert set(table["environment"]) == {"dev"}
    assert table["size"].tolist() == [bad.dump.size, good.dump.size, good.dump.size]
    assert table["rows"].isna().tolist() == [False, False, True]
    assert table["rto_seconds"].isna().tolist() == [True, False, True]

    told = materialized(bench)
    assert (told["backups"], told["proven"]) == (3, 1)
    listed = str(told["catalog"])
    assert listed.count("\n") == 4
    assert listed.startswith("| " + " | ".join(DISPLAYED_COLUMNS) + " |")
    assert not re.search(r"nan|NaT|None", listed)
    assert f"{good.rows:,}" in listed
    assert all(name in listed for name in (good.dump.file, bad.dump.file, "by_hand.dump"))
    assert f"{good.recovery_point:%Y}" in str(told["standing"])
    drawn = picture(told["over_days"])
    assert all(word in drawn for word in ("valid", "bad", "dev"))


def test_dumps_of_which_no_day_is_known_make_no_trouble(bench: Bench, env: EnvironmentContext) -> None:
    backup_folder_of(env).prepare()
    (backup_folder_of(env).path / "by_hand.dump").write_bytes(b"PGDMP")
    told = materialized(bench)
    assert (told["backups"], told["proven"]) == (1, 0)
    assert "no manifest" in breakable(told["catalog"])
    picture(told["over_days"])


def test_a_bar_in_a_name_does_not_break_the_table(bench: Bench, env: EnvironmentContext) -> None:
    backup_folder_of(env).prepare()
    (backup_folder_of(env).path / "a|b.dump").write_bytes(b"PGDMP")
    assert "a\\|b.dump" in str(materialized(bench)["catalog"])


@pytest.mark.parametrize(
    "state", [*(rung.word for rung in Rung), "bad", "unrestorable", "not local", "no manifest"]
)
def test_every_state_there_is_has_a_colour(state: str) -> None:
    row = ["dev", clock.now().date(), "x.dump", state, False, 1000, 1, None, pd.Timestamp(clock.now())]
    drawn = picture(size_chart(pd.DataFrame([row], columns=COLUMNS)).value)
    assert f">{state}<" in drawn
    assert "undefined" not in drawn


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Pacific/Kiritimati"])
def test_the_chart_shows_a_day_as_that_day_wherever_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        row = ["dev", DAY, "x.dump", "valid", True, 9, 1, 1.0, pd.Timestamp(0, tz="UTC")]
        assert ">9 Mar<" in picture(size_chart(pd.DataFrame([row], columns=COLUMNS)).value)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_row_reads_well() -> None:
    row = ["dev", DAY, "a-b.dump", "valid", True, 239_556, 11_196.0, 0.948]
    instant = pd.Timestamp("2026-03-09T01:02:03", tz="UTC")
    cells = dict(zip(DISPLAYED_COLUMNS, displayed_cells([*row, instant]), strict=True))
    assert {name: breakable(cell) for name, cell in cells.items()} == {
        "day": "2026-03-09",
        "environment": "dev",
        "state": "valid",
        "size": "239.6 KB",
        "rto_seconds": "0.9",
        "rows": "11,196",
        "recovery_point": "2026-03-09 01:02:03 UTC",
        "file": "a-b.dump",
    }
    assert cells["file"] == "a-b.dump", "a name is there to be copied"


def test_a_thousand_backups_do_not_hold_up_who_loads_the_definitions(
    bench: Bench, env: EnvironmentContext
) -> None:
    """The definitions are imported for every run, and by the daemon."""
    manifest = proven(env)
    [entry] = catalog.entries(env)
    assert entry.proof is not None
    for days in range(1, 1000):
        _copied(env, manifest, entry.proof, days)
    loading = _timed(lambda: build_definitions(env.ctx.settings).resolve_asset_graph())
    window = _timed(lambda: backup_days(env))
    listing = _timed(lambda: catalog_frame([env]))
    print(f"\n1,000 manifests: definitions {loading:.2f} s, then {window:.2f} s, frame {listing:.2f} s")
    assert loading < 10, "a hundredth of a second each"
    assert backup_days(env).get_last_partition_key() == env.today().isoformat()
    told = materialized(bench)
    assert told["backups"] == 1000
    assert str(told["catalog"]).count("\n") == 201
    assert len(str(told["over_days"])) < 1_000_000


def _copied(env: EnvironmentContext, manifest: Manifest, proof: Proof, days: int) -> None:
    """A backup as it would have been taken `days` days ago; its dump holds nothing."""
    instant = manifest.recovery_point - timedelta(days=days)
    name = BackupName(f"ledgerflow_dev_{instant:%Y%m%d_%H%M}")
    facts = manifest.dump.model_copy(update={"file": name.dump, "size": 5})
    update = {"backup_day": instant.date(), "recovery_point": instant, "dump": facts, "globals": None}
    copy = manifest.model_copy(update=update)
    (backup_folder_of(env).path / name.dump).write_bytes(b"PGDMP")
    (backup_folder_of(env).path / name.manifest).write_bytes(copy.encode())
    told = proof.model_copy(update={"file": name.dump, "manifest_digest": copy.digest})
    (backup_folder_of(env).path / name.proof).write_bytes(told.encode())


def _timed(work: Callable[[], object]) -> float:
    """The seconds of processor time: on a busy machine others' work is not in it."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_the_asset_is_requested_by_the_watch_of_every_environment(bench: Bench) -> None:
    definitions = build_definitions(bench.settings())
    node = definitions.resolve_asset_graph().get(AssetKey("catalog"))
    watches = {sensor.name: sensor for sensor in definitions.sensors or ()}
    for environment in Environment:
        requested = {job.name for job in watches[f"{environment}_watch"].jobs}
        assert requested == {"catalog_job", f"{environment}_verify"}, "the page names them beside the asset"
    assert node.parent_keys == {AssetKey([environment, "drill"]) for environment in Environment}
    sensors = build_definitions(bench.settings()).sensors or ()
    [sensor] = [one for one in sensors if isinstance(one, dg.AutomationConditionSensorDefinition)]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
