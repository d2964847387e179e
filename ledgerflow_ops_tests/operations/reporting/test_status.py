"""The status for people and programs: what is proven, how far, and how old it is."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.reporting import status, status_screen
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.commands import Commands
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_ENTRY = {"file", "day", "size", "state", "proven", "recovery_point", "problem", "not_decrypted"}
_STANDING = {
    "environment",
    "sample",
    "scheduled",
    "standing",
    "folder",
    "newest_proven",
    "rpo_seconds",
    "rpo_objective_seconds",
    "rto_seconds",
    "rto_objective_seconds",
    "next_run",
    "drills",
    "days",
    "room",
    "pins",
    "copies",
    "keys",
    "key_drill",
    "quarantine",
    "quarantined",
    "incidents",
    "kept_databases",
    "restore_rights",
    "backups",
}


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    """A folder with one of each kind of dump: proven, merely written, bad, without a manifest."""
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as database:
        sandbox = Sandbox(root, database)

        def taken(hours: int) -> BackupName:
            manifest = sandboxes.take_backup(sandbox.env(now=lambda: NOON - timedelta(hours=hours)))
            return BackupName.of(manifest.dump.file)

        oldest = taken(51)
        proven = Sandbox(root, database).entries()[0].manifest
        assert proven is not None
        sandboxes.prove_backup(sandbox.env(), proven)
        bad = taken(30)
        folder = backup_folder_of(sandbox.env())
        folder.file(bad.dump).write_bytes(folder.read(bad.dump)[:-1])
        taken(2)
        folder.file("by_hand.dump").write_bytes(folder.read(oldest.dump))
        yield sandbox


def _said(env: EnvironmentContext, capfd: pytest.CaptureFixture[str]) -> str:
    status_screen.show(status.overview(env.ctx, [env]), Terminal(as_json=False))
    return capfd.readouterr().out


def test_it_tells_the_newest_proven_backup_and_not_the_newest(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    said = _said(sandbox.env(now=lambda: NOON), capfd)
    headline, *rest = said.splitlines()
    assert re.fullmatch(
        r"dev: newest proven backup is 2 d 3 h old, restored in \d+\.\d s: "
        r"ledgerflow_dev_20261121_0900\.dump",
        headline,
    )
    rows = [line.split() for line in rest if re.match(r" +(\?|\d{4}-\d\d-\d\d) ", line)]
    assert [(row[0], row[1]) for row in rows] == [
        ("2026-11-23", "ledgerflow_dev_20261123_1000.dump"),
        ("2026-11-21", "ledgerflow_dev_20261121_0900.dump"),
        ("?", "by_hand.dump"),
        ("2026-11-22", "ledgerflow_dev_20261122_0600.dump"),
    ]
    for row, state in zip(rows, ("written", "valid", "no manifest", "bad"), strict=True):
        assert state in " ".join(row)
    assert "SAMPLE" not in said


def test_it_has_one_shape_for_programs(sandbox: Sandbox) -> None:
    standing = status.status(sandbox.env(now=lambda: NOON)).as_json()
    assert {*standing} == _STANDING
    assert json.loads(json.dumps(standing)) == standing
    assert (standing["environment"], standing["sample"]) == ("dev", False)
    assert standing["newest_proven"] == "ledgerflow_dev_20261121_0900.dump"
    assert standing["rpo_seconds"] == timedelta(hours=51).total_seconds()
    assert 0 < standing["rto_seconds"] < 60
    assert all({*entry} == _ENTRY for entry in standing["backups"])
    found = {entry["file"]: (entry["state"], entry["proven"]) for entry in standing["backups"]}
    assert found == {
        "ledgerflow_dev_20261123_1000.dump": ("written", False),
        "ledgerflow_dev_20261122_0600.dump": ("bad", False),
        "ledgerflow_dev_20261121_0900.dump": ("valid", True),
        "by_hand.dump": ("no manifest", False),
    }
    (problem,) = [entry["problem"] for entry in standing["backups"] if entry["problem"]]
    assert re.fullmatch(r"ledgerflow_dev_20261122_0600\.dump has \d+ bytes; its manifest says \d+", problem)


def test_where_nothing_is_proven_that_is_what_it_says(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = builders.env(root, environment=Environment.PROD)
    told = status.status(env).as_json()
    for fact in ("newest_proven", "rpo_seconds", "rto_seconds", "next_run"):
        assert told[fact] is None
    for fact in ("kept_databases", "backups", "pins", "incidents"):
        assert told[fact] == []
    assert (told["environment"], told["sample"], told["scheduled"], told["standing"]) == (
        "prod",
        True,
        False,
        "quiet",
    )
    assert {day["state"] for day in told["days"]} == {"before"}
    assert len(told["days"]) == 30
    said = _said(env, capfd)
    assert said.startswith("prod: NOTHING IS PROVEN. 0 dumps in the folder.\n")
    assert "SAMPLE DATA: no URL is set for prod." in said


def test_a_proven_backup_from_the_future_is_a_question_about_the_clock(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    earlier = sandbox.env(now=lambda: NOON - timedelta(days=30))
    assert "IN THE FUTURE: is the clock right?" in _said(earlier, capfd)
    rpo = status.status(earlier).folder_status.objectives.rpo_seconds
    assert rpo is not None
    assert rpo < 0


def test_a_proven_backup_whose_bytes_are_in_the_cloud_is_told_to_be_not_local(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = backup_folder_of(sandbox.env())
    file, placeholder = (
        place("ledgerflow_dev_20261121_0900.dump") for place in (folder.file, folder.placeholder)
    )
    whole = file.read_bytes()
    file.unlink()
    placeholder.write_bytes(b"bplist00")
    try:
        assert "NOT LOCAL: its bytes are only in the cloud" in _said(sandbox.env(now=lambda: NOON), capfd)
        standing = status.status(sandbox.env()).as_json()
        assert "not local" in {entry["state"] for entry in standing["backups"]}
    finally:
        placeholder.unlink()
        file.write_bytes(whole)


def test_the_command_tells_one_environment_or_all_three(sandbox: Sandbox, database: Database) -> None:
    commands = Commands(sandbox, database)
    one = commands.run("status", "--json")
    assert (one.code, one.json["critical"]) == (1, True), "today's backup was never proven"
    assert [standing["environment"] for standing in one.json["environments"]] == ["dev"]
    assert "dev: newest proven backup is" in one.errors
    every = commands.run("status", LEDGER_ENV="", LEDGER_DEV_SCHEDULED="false")
    assert every.code == 0, "nothing is expected of what nobody has ordered"
    assert "dev: newest proven backup is" in every.out
    for environment in ("test", "prod"):
        assert f"{environment}: NOTHING IS PROVEN." in every.out
        assert f"SAMPLE DATA: no URL is set for {environment}." in every.out


@pytest.mark.parametrize("environment", ["PROD", "preprod", "dev ", "staging"])
def test_a_misspelt_environment_picks_none(sandbox: Sandbox, database: Database, environment: str) -> None:
    finished = Commands(sandbox, database).run("status", "--json", LEDGER_ENV=environment)
    assert finished.code == 2
    assert finished.json["error"]["kind"] == "SettingsError"
    assert "dev, test, prod" in finished.json["error"]["hint"]


def test_a_server_that_cannot_be_asked_is_reported_and_keeps_nothing_from_being_told(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nowhere = Database({"host": "127.0.0.1", "port": "1", "user": "x", "dbname": "books"})
    said = _said(builders.env(root, nowhere), capfd)
    assert said.startswith("dev: NOTHING IS PROVEN.")
    assert "its server cannot be queried: 127.0.0.1:1/" in said
