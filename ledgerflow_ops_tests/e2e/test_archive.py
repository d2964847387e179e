"""Archive locations as people and programs use them: make archive, make backup, output, JSON, exit codes."""

import json
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.defs import storage
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def dagster(embedded: EmbeddedPostgres) -> Iterator[str]:
    with storage.fresh(embedded.start()) as made:
        yield builders.database_url(made)


@pytest.fixture
def dev(root: Path, dagster: str) -> Shell:
    """A shell with the locations usb and far, of which only usb is there."""
    (root / "usb").mkdir()
    listed = [{"name": name, "kind": "folder", "url": str(root / name)} for name in ("usb", "far")]
    variables = {"LEDGER_LOCATIONS": json.dumps(listed), "LEDGER_DAGSTER_DATABASE_URL": dagster}
    return Shell(root, {"LEDGER_ENV": "dev", **variables})


def fill(shell: Shell, days: int) -> list[str]:
    """A proven backup on each of the last so many days, newest first: their files."""
    noon = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    folder = BackupFolder(shell.backups / "dev")
    return [folder.add_backup(noon - timedelta(days=number)).dump.file for number in range(days)]


def test_the_plan_then_the_copies_then_nothing_to_do(dev: Shell) -> None:
    (dev.root / "far").mkdir()
    files = fill(dev, 2)
    plan = dev.ledgerflow("archive", "--dry-run")
    assert plan.code == 0, plan.all
    assert "usb: 2 backups would be copied." in plan.out
    assert f"COPY {files[0]}: it is proven, and not there yet" in plan.out
    assert not (dev.root / "usb" / "dev").exists()
    done = dev.ledgerflow("archive")
    assert done.code == 0, done.all
    assert "usb: 2 backups copied (" in done.out
    assert all((dev.root / place / "dev" / file).exists() for place in ("usb", "far") for file in files)
    again = dev.ledgerflow("archive", "--json")
    assert again.code == 0
    assert [(one["location"], one["copied"]) for one in again.json["locations"]] == [("usb", []), ("far", [])]
    entries = dev.ledgerflow("journal", "--json", WHAT="archive").json["entries"]
    assert [entry["result"] for entry in entries] == ["ok", "ok"]


def test_rotate_plans_and_removes_what_expires_in_a_location(root: Path, dagster: str) -> None:
    (root / "usb").mkdir()
    location = {"name": "usb", "kind": "folder", "url": str(root / "usb")}
    variables = {"LEDGER_ENV": "dev", "LEDGER_DAGSTER_DATABASE_URL": dagster}
    files = fill(Shell(root, {}), 6)
    long = Shell(root, {**variables, "LEDGER_LOCATIONS": json.dumps([location])})
    assert long.ledgerflow("archive").code == 0
    assert "by its own retention" not in long.ledgerflow("rotate", "--dry-run").out
    short = Shell(root, {**variables, "LEDGER_LOCATIONS": json.dumps([{**location, "retention_days": 3}])})
    plan = short.ledgerflow("rotate", "--dry-run")
    assert plan.code == 0, plan.all
    assert "dev: 0 of 6 backups would be removed (0 B). Nothing was changed." in plan.out
    assert "dev in usb, by its own retention: 2 of 6 backups would be removed (" in plan.out
    assert f"  EXPIRE {files[5]}: it is older than the window, which begins on" in plan.out
    assert f"  keep   {files[0]}: it is the newest; it is the newest proven one" in plan.out
    [usb] = short.ledgerflow("rotate", "--dry-run", "--json").json["locations"]
    expired = [item["file"] for item in usb["backups"] if item["decision"] == "expire"]
    assert expired == [files[4], files[5]]
    assert (usb["expire"], usb["keep"], usb["expire_bytes"] > 0, usb["asks"]) == (2, 4, True, "")
    assert short.ledgerflow("archive").code == 0
    assert all((root / "usb" / "dev" / file).exists() for file in files), "so far nothing was removed"
    done = short.ledgerflow("rotate")
    assert done.code == 0, done.all
    assert f"  removed {files[5]} from usb" in done.out
    assert "dev in usb: 2 removed, 4 kept." in done.out
    assert "dev: 0 removed, 6 kept." in done.out
    assert [(root / "usb" / "dev" / file).exists() for file in files] == [True] * 4 + [False] * 2


def test_a_location_that_is_away_fails_the_rotation_after_the_rest_is_done(dev: Shell) -> None:
    (dev.root / "far").mkdir()
    files = fill(dev, 10)
    listed = [
        {"name": name, "kind": "folder", "url": str(dev.root / name), "retention_days": 3}
        for name in ("usb", "far")
    ]
    variables = {"LEDGER_LOCATIONS": json.dumps(listed)}
    assert (
        dev.ledgerflow("archive", LEDGER_LOCATIONS=json.dumps([{**listed[0], "retention_days": 30}])).code
        == 0
    )
    (dev.root / "far").rmdir()
    asked = dev.ledgerflow("rotate", "--json", **variables)
    assert asked.code == 3, asked.all
    assert "This rotation of dev has to be confirmed for usb: 6 of 10 backups would be removed" in asked.all
    assert len(BackupFolder(dev.backups / "dev").stems()) == 10, "nothing was removed here either"
    done = dev.ledgerflow("rotate", "--json", CONFIRM="dev", **variables)
    assert done.code == 1, done.all
    assert set(done.json["removed"]) == set(files[8:])
    usb, far = done.json["locations"]
    assert (len(usb["removed"]), usb["error"]) == (6, None)
    assert f"The archive location far ({dev.root / 'far'}) is not there." == far["error"]["message"]
    assert "Is its disk mounted" in far["error"]["hint"]
    assert done.json["exit_code"] == 1


def test_a_backup_succeeds_though_a_location_is_away(dev: Shell, database: Database) -> None:
    url = builders.database_url(database)
    made = dev.ledgerflow("backup", "--json", LEDGER_DEV_DATABASE_URL=url)
    assert made.code == 0, made.all
    assert made.json["proven"] is True
    usb, far = made.json["archive"]["locations"]
    assert usb["copied"] == [Path(made.json["file"]).name]
    assert f"The archive location far ({dev.root / 'far'}) is not there." in far["trouble"]
    assert made.json["archive"]["exit_code"] == 1
    assert "make archive" in made.json["archive"]["error"]["hint"]
    assert "PROVEN: valid." in made.errors, "the backup's own verdict, and what became of its copies"
    assert "Copies are missing: " in made.errors

    status = dev.ledgerflow("archive", LEDGER_DEV_DATABASE_URL=url)
    assert status.code == 1
    assert "far: The archive location far" in status.out


def test_it_is_refused_where_there_is_nothing_to_copy_or_nowhere_to_copy_to(dev: Shell) -> None:
    nothing = dev.ledgerflow("archive")
    assert nothing.code == 3
    assert "No backup of dev is proven: only proven ones are copied." in nothing.errors
    assert "LEDGER_ENV=dev make backup" in nothing.errors
    nowhere = dev.ledgerflow("archive", LEDGER_LOCATIONS="[]")
    assert nowhere.code == 3
    assert "No archive location is set for dev." in nowhere.errors


def test_the_bytes_of_each_location_fit_a_terminal(dev: Shell) -> None:
    fill(dev, 2)
    assert dev.ledgerflow("archive").code == 1, "far is away"
    said = dev.ledgerflow("storage", LEDGER_ENV="")
    assert said.code == 1
    assert max(map(len, said.out.splitlines())) <= 100
    assert f"dev in far: {dev.root / 'far'} is not there." in " ".join(said.out.split())
    figures = dev.ledgerflow("storage", "--json").json["locations"]
    assert [(one["location"], one["backups"]) for one in figures] == [
        ("primary", 2),
        ("usb", 2),
        ("far", None),
    ]
    repaired = dev.ledgerflow("repair", "--dry-run")
    assert repaired.code == 0, repaired.all
