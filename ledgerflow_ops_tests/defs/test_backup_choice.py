"""The backups that the launchpad of a restore offers, and what becomes of a choice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.jobs.backup_choice import choice_changes
from ledgerflow_ops.operations import summaries
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.test_launching import launch, refusal
from ledgerflow_ops_tests.defs.test_rotation import fill
from ledgerflow_ops_tests.defs.test_sensors import Daemon
from ledgerflow_ops_tests.fakes import sinks
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

ALIASES = ["latest-proven", "latest"]


@pytest.fixture
def daemon(bench: Bench) -> Iterator[Daemon]:
    with sinks.web() as web:
        yield Daemon(bench, web)


def folder(bench: Bench) -> BackupFolder:
    return BackupFolder(backup_folder_of(bench.env()).path)


def dumps(bench: Bench) -> list[str]:
    """The dumps in the folder, oldest first."""
    return sorted(name for name in folder(bench).names() if name.endswith(".dump"))


def test_the_watch_offers_what_is_in_the_folder(bench: Bench, daemon: Daemon) -> None:
    daemon.tick("dev_watch")
    assert daemon.listed == {"dev": [], "test": [], "prod": []}, "no backup, and so nothing to choose"

    fill(bench.env(), 3)
    files = dumps(bench)
    daemon.tick("dev_watch")
    assert daemon.listed == {"dev": [*ALIASES, *files], "test": [], "prod": []}
    with bench.instance() as opened:
        env = bench.env()
        assert choice_changes(env, opened, summaries.list_dumps(env)) == [], "nothing to add again"

    folder(bench).add_backup(clock.now() - timedelta(days=9), stem="before...upgrade")
    folder(bench).add_backup(clock.now(), stem="newest")
    backup_folder_of(bench.env()).file(files[0]).unlink()
    daemon.tick("dev_watch")
    assert daemon.listed["dev"] == [*ALIASES, *files[1:], "newest.dump"], "Dagster takes no ... in a key"


def test_a_bad_backup_and_a_dump_without_a_manifest_are_not_offered(bench: Bench, daemon: Daemon) -> None:
    fill(bench.env(), 2)
    bad, good = dumps(bench)
    with backup_folder_of(bench.env()).file(bad).open("ab") as file:
        file.write(b"longer than its manifest says")
    backup_folder_of(bench.env()).file("stray.dump").write_bytes(b"PGDMP")
    daemon.tick("dev_watch")
    assert daemon.listed["dev"] == [*ALIASES, good]


def test_only_the_newest_are_offered(bench: Bench, daemon: Daemon) -> None:
    now = clock.now()
    for back in range(205):
        folder(bench).add_backup(now - timedelta(hours=back))
    files = dumps(bench)
    daemon.tick("dev_watch")
    assert daemon.listed["dev"] == [*ALIASES, *files[5:]]


def test_a_choice_fills_in_the_file_and_not_the_environment(bench: Bench) -> None:
    for environment in ("dev", "test", "prod"):
        job = build_definitions(bench.settings()).resolve_job_def(f"{environment}_restore")
        assert job.partitioned_config
        found = job.partitioned_config.get_run_config_for_partition_key("latest-proven")
        assert found == {"ops": {f"{environment}_restore_op": {"config": {"file": "latest-proven"}}}}


def test_a_run_whose_choice_and_file_differ_is_refused(bench: Bench) -> None:
    fill(bench.env(), 1)
    definitions = build_definitions(bench.settings())
    config = {"environment": "dev", "file": "latest", "force": True}
    with bench.instance() as opened:
        chosen = {"dagster/partition": "ledgerflow_dev_20261101_0200.dump"}
        done = launch(definitions, opened, "dev_restore", config, **chosen)
        said, hint, code = refusal(done)
        assert said == (
            "This run has two backups: ledgerflow_dev_20261101_0200.dump was chosen as its partition, and "
            "its run config has file: latest."
        )
        assert hint.startswith("In the job's Launchpad, choose latest as the partition; or remove the tag ")
        assert code == 3
        assert journal_file.read_entries(bench.settings().state_dir) == []

        for tags in ({"dagster/partition": "latest"}, {}):
            said, _, code = refusal(launch(definitions, opened, "dev_restore", config, **tags))
            assert ("has never been seen as dev's" in said, code) == (True, 3), "that is asked next"
