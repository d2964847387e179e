"""The call that says all is well: after a proof of the newest backup, and at no other time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import clock, journal, ping
from ledgerflow_ops.adapters.cluster import free_port
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.operations import alerts, drill
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.e2e.commands import damaged
from ledgerflow_ops_tests.fakes import grounds, sinks
from ledgerflow_ops_tests.fakes.grounds import Ground
from ledgerflow_ops_tests.fakes.sinks import Web


@pytest.fixture(scope="module")
def books(embedded: Embedded) -> Iterator[Database]:
    with grounds.sample_copy(embedded) as database:
        yield database


@pytest.fixture
def web() -> Iterator[Web]:
    with sinks.web() as web:
        yield web


@pytest.fixture
def ground(root: Path, books: Database, web: Web) -> Ground:
    return Ground(root, books, {"ping_url": web.address})


def take(ground: Ground) -> BackupName:
    return BackupName.of(grounds.take(ground.site()).dump.file)


def noted(ground: Ground) -> list[tuple[str, str]]:
    entries = journal.entries(ground.root / "state")
    return [(one["result"], one.get("error", "")) for one in entries if one["what"] == "ping"]


def test_only_a_proof_of_the_newest_backup_is_told(ground: Ground, web: Web) -> None:
    old = take(ground)
    assert web.requests == [], "a backup alone is no proof"
    drill.drill(ground.site(), old)
    assert [path for path, _ in web.requests] == ["/t0ken"]
    new = take(ground)
    drill.drill(ground.site(), old)
    assert len(web.requests) == 1, "an older one is no news"
    drill.drill(ground.site(), new)
    assert len(web.requests) == 2
    damaged(ground.site().folder.file(new.dump))
    assert drill.drill(ground.site(), new).bad
    assert len(web.requests) == 2, "nor is a bad one"
    assert noted(ground) == [("ok", "")] * 2


def test_a_service_that_fails_harms_no_proof_and_is_told(ground: Ground, web: Web) -> None:
    name, heard = take(ground), Recorder()
    web.answer = 503
    site = ground.site(heard)
    examination = drill.drill(site, name)
    assert examination.proven
    assert [text for text in heard.said if "in vain" in text] == [
        "the ping_url of dev was called in vain: it answered 503"
    ]
    [alert] = alerts.open_alerts(site.desk)
    assert (alert.source, alert.finding.kind) == ("ping:dev", "ping")
    assert "It will miss us" in alert.finding.message
    web.answer = 200
    drill.drill(site, name)
    assert alerts.open_alerts(site.desk) == []
    assert noted(ground) == [("failed", "it answered 503"), ("ok", "")]
    everything = (ground.root / "state" / "journal.jsonl").read_text() + repr(heard) + repr(alert)
    assert "t0ken" not in everything


@pytest.mark.parametrize(
    ("how", "why"),
    [("refuses", "it cannot be reached"), ("does not resolve", "it cannot be reached")],
)
def test_a_service_that_is_not_there_is_told_as_such(ground: Ground, how: str, why: str) -> None:
    address = f"http://127.0.0.1:{free_port()}/t0ken" if how == "refuses" else "http://nowhere.invalid/t0ken"
    site = ground.site(now=clock.now, ping_url=address)
    assert drill.drill(site, take(ground)).proven
    assert noted(ground) == [("failed", why)]


def test_a_service_that_does_not_speak_as_the_web_does_is_no_error() -> None:
    with sinks.babbling() as address:
        assert ping.ping(address) == "it cannot be reached"


def test_an_address_that_cannot_be_called_is_not_repeated() -> None:
    assert ping.ping("http://127.0.0.1:1/t0 ken") == "it cannot be reached"


def test_an_address_that_is_taken_out_of_the_settings_is_no_longer_missed(ground: Ground, web: Web) -> None:
    name = take(ground)
    web.answer = 503
    drill.drill(ground.site(), name)
    assert len(alerts.open_alerts(ground.site().desk)) == 1
    site = Ground(ground.root, ground.database).site()
    assert drill.drill(site, name).proven
    assert alerts.open_alerts(site.desk) == []
    assert len(web.requests) == 1


def test_without_an_address_nobody_is_called(root: Path, books: Database) -> None:
    ground = Ground(root, books)
    assert drill.drill(ground.site(), take(ground)).proven
    assert noted(ground) == []
