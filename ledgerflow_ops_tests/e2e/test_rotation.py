"""make rotate, pin, unpin and quarantine as people and programs use them: output, JSON, exit codes."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.defs import storage
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def dagster(embedded: EmbeddedPostgres) -> Iterator[str]:
    """One storage for all tests here: what one rotates does not affect the others."""
    with storage.fresh(embedded.start()) as made:
        yield builders.database_url(made)


@pytest.fixture
def dev(root: Path, dagster: str) -> Shell:
    return Shell(root, {"LEDGER_ENV": "dev", "LEDGER_DAGSTER_DATABASE_URL": dagster})


def fill(shell: Shell, days: int) -> list[str]:
    """A proven backup on each of the last so many days, newest first: their files."""
    noon = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    store = BackupFolder(shell.backups / "dev")
    return [store.add_backup(noon - timedelta(days=number)).dump.file for number in range(days)]


def test_the_plan_then_a_pin_then_the_rotation(dev: Shell) -> None:
    files = fill(dev, 10)
    before = BackupFolder(dev.backups / "dev").names()
    plan = dev.ledgerflow("rotate", DRY_RUN="1")
    assert plan.code == 0, plan.all
    assert "dev: 2 of 10 backups would be removed" in plan.out
    assert f"EXPIRE {files[9]}: it is older than the window, which begins on" in plan.out
    assert (
        f"keep   {files[0]}: it is the newest; it is the newest proven one; it is in the window" in plan.out
    )
    assert BackupFolder(dev.backups / "dev").names() == before

    pinned = dev.ledgerflow("pin", FILE=files[9], REASON="year-end", UNTIL="90d")
    assert pinned.code == 0, pinned.all
    assert f"{files[9]} is pinned until" in pinned.out

    done = dev.ledgerflow("rotate", "--json", WHY="no room left")
    assert done.code == 0, done.all
    assert done.json["removed"] == [files[8]]
    assert (done.json["kept"], done.json["environment"], done.json["exit_code"]) == (9, "dev", 0)
    assert done.json["run_id"]
    assert not list((dev.backups / "dev").glob(f"{files[8].removesuffix('.dump')}.*"))

    freed = dev.ledgerflow("unpin", "--json", FILE=files[9])
    assert freed.json == {"environment": "dev", "unpinned": files[9], "exit_code": 0}
    again = dev.ledgerflow("rotate")
    assert f"removed {files[9]}" in again.out
    assert "dev: 1 removed, 8 kept." in again.out
    noted = dev.ledgerflow("journal", "--json").json["entries"]
    assert [entry["what"] for entry in noted] == ["pin", "rotate", "unpin", "rotate"]
    assert noted[1]["why"] == "no room left"


def test_a_bad_backup_goes_into_quarantine_and_back(dev: Shell) -> None:
    files = fill(dev, 3)
    folder = BackupFolder(dev.backups / "dev")
    dump = folder.path / files[0]
    dump.write_bytes(dump.read_bytes() + b"x")
    before = folder.names()
    planned = dev.ledgerflow("quarantine", FILE=files[0], DRY_RUN="1")
    assert (planned.code, f"would move {files[0]}" in planned.out) == (0, True), planned.all
    assert folder.names() == before

    done = dev.ledgerflow("quarantine", FILE=files[0], WHY="one byte too many")
    place = folder.path / "quarantine"
    assert done.code == 0, done.all
    assert f"{files[0]} is in quarantine, in {place}: it is no backup any more." in done.out
    assert f"LEDGER_ENV=dev make quarantine FILE={files[0]} UNDO=1 takes it back." in done.out
    status = dev.ledgerflow("status")
    assert f"in quarantine: 1 backup, in {place}" in status.out
    known = dev.ledgerflow("status", "--json").json["environments"][0]
    assert [item["file"] for item in known["quarantined"]] == [files[0]]
    assert files[0] not in [item["file"] for item in known["backups"]]

    back = dev.ledgerflow("quarantine", "--json", FILE=files[0], UNDO="1")
    assert (back.code, back.json["file"], back.json["undo"]) == (0, files[0], True), back.all
    assert folder.names() == before
    noted = dev.ledgerflow("journal", "--json").json["entries"]
    assert [(entry["what"], entry["reason"]) for entry in noted] == [
        ("quarantine", "one byte too many"),
        ("quarantine undone", "one byte too many"),
    ]


def test_too_much_at_once_is_refused_until_the_environment_is_named(dev: Shell) -> None:
    files = fill(dev, 20)
    for arguments in ({"DRY_RUN": "1"}, {}, {"CONFIRM": "prod"}):
        said = dev.ledgerflow("rotate", "--json", **arguments)
        assert said.code == 3, said.all
        assert "12 of 20 backups would be removed at once, more than 34%" in said.all
        assert "CONFIRM=dev" in said.all
        assert len(BackupFolder(dev.backups / "dev").stems()) == 20
    done = dev.ledgerflow("rotate", "--json", CONFIRM="dev")
    assert done.code == 0, done.all
    assert done.json["removed"] == sorted(files[8:])


@pytest.mark.parametrize(
    ("command", "variables", "code", "said"),
    [
        ("pin", {"REASON": "x"}, 2, "pin needs FILE="),
        ("pin", {"FILE": "latest"}, 2, "pin needs REASON="),
        ("pin", {"FILE": "nothing.dump", "REASON": "x"}, 2, "There is no nothing.dump"),
        (
            "pin",
            {"FILE": "latest", "REASON": "x", "UNTIL": "2001-01-01"},
            2,
            "UNTIL=2001-01-01 is in the past",
        ),
        ("unpin", {"FILE": "latest"}, 3, "is not pinned"),
        ("quarantine", {}, 2, "quarantine needs FILE="),
        ("quarantine", {"FILE": "nothing.dump"}, 2, "There is no nothing.dump"),
        ("quarantine", {"FILE": "latest"}, 3, "is proven and whole. Nothing was moved."),
        ("quarantine", {"FILE": "latest", "DRY_RUN": "1"}, 3, "is proven and whole. Nothing was moved."),
        ("quarantine", {"FILE": "x.dump", "UNDO": "1"}, 2, "There is no x.dump in dev's quarantine"),
        ("rotate", {"LEDGER_ENV": "preprod"}, 2, "'preprod' is not an environment"),
        ("rotate", {"DRY_RUN": "maybe"}, 2, "DRY_RUN='maybe' is neither 1 nor 0"),
    ],
)
def test_what_cannot_be_is_said_with_a_hint(
    dev: Shell, command: str, variables: dict[str, str], code: int, said: str
) -> None:
    fill(dev, 2)
    ended = dev.ledgerflow(command, "--json", **variables)
    assert ended.code == code, ended.all
    assert said in ended.json["error"]["message"]
    assert ended.json["error"]["hint"]
    assert len(BackupFolder(dev.backups / "dev").stems()) == 2


def test_a_foreign_dump_is_named_and_left(dev: Shell) -> None:
    fill(dev, 2)
    (dev.backups / "dev" / "by_hand.dump").write_bytes(b"PGDMP")
    plan = dev.ledgerflow("rotate", DRY_RUN="1")
    assert "left   by_hand.dump: no manifest of dev commits it; rotation never removes it" in plan.out
