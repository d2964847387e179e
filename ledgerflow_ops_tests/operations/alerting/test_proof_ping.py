"""The ping: sent after a proof of the newest backup, and at no other time."""

from pathlib import Path

import pytest

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.services import heartbeat_ping
from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.operations.alerting import alerts, proof_ping
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import sandboxes, sinks
from ledgerflow_ops_tests.fakes.opened import opened
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.sinks import Web


@pytest.fixture
def sandbox(root: Path, books: Database, web: Web) -> Sandbox:
    return Sandbox(root, books, {"ping_url": web.address})


def take(sandbox: Sandbox) -> BackupName:
    return BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)


def noted(sandbox: Sandbox) -> list[tuple[str, str]]:
    entries = journal_file.read_entries(sandbox.root / "state")
    return [(one["result"], one.get("error", "")) for one in entries if one["what"] == "ping"]


def test_only_a_proof_of_the_newest_backup_is_reported(sandbox: Sandbox, web: Web) -> None:
    old = take(sandbox)
    assert web.requests == [], "a backup alone is no proof"
    drill.drill(sandbox.env(), old)
    assert [path for path, _ in web.requests] == ["/t0ken"]
    new = take(sandbox)
    drill.drill(sandbox.env(), old)
    assert len(web.requests) == 1, "an older one is no news"
    drill.drill(sandbox.env(), new)
    assert len(web.requests) == 2
    flip_bit(backup_folder_of(sandbox.env()).file(new.dump))
    assert drill.drill(sandbox.env(), new).bad
    assert len(web.requests) == 2, "nor is a bad one"
    assert noted(sandbox) == [("ok", "")] * 2


def test_a_service_that_fails_harms_no_proof_and_is_reported(sandbox: Sandbox, web: Web) -> None:
    name, heard = take(sandbox), Recorder()
    web.answer = 503
    env = sandbox.env(heard)
    examination = drill.drill(env, name)
    assert examination.proven
    assert [text for text in heard.said if "ping_url failed" in text] == [
        "the call of dev's ping_url failed: it answered 503"
    ]
    [alert] = alerts.open_alerts(env.ctx)
    assert (alert.source, alert.finding.kind) == ("ping:dev", "ping")
    assert "Its service will alert" in alert.finding.message
    web.answer = 200
    drill.drill(env, name)
    assert alerts.open_alerts(env.ctx) == []
    assert noted(sandbox) == [("failed", "it answered 503"), ("ok", "")]
    everything = (sandbox.root / "state" / "journal.jsonl").read_text() + repr(heard) + repr(alert)
    assert "t0ken" not in everything


@pytest.mark.parametrize(
    ("how", "why"),
    [("refuses", "it cannot be reached"), ("does not resolve", "it cannot be reached")],
)
def test_a_service_that_is_not_there_is_reported_as_such(sandbox: Sandbox, how: str, why: str) -> None:
    address = f"http://127.0.0.1:{free_port()}/t0ken" if how == "refuses" else "http://nowhere.invalid/t0ken"
    env = sandbox.env(now=clock.now, ping_url=address)
    assert drill.drill(env, take(sandbox)).proven
    assert noted(sandbox) == [("failed", why)]


def test_a_service_that_does_not_speak_as_the_web_does_is_no_error() -> None:
    with sinks.babbling() as address:
        assert heartbeat_ping.ping(address) == "it cannot be reached"


def test_an_address_that_cannot_be_called_is_not_repeated() -> None:
    assert heartbeat_ping.ping("http://127.0.0.1:1/t0 ken") == "it cannot be reached"


def test_an_address_that_is_taken_out_of_the_settings_is_no_longer_missed(sandbox: Sandbox, web: Web) -> None:
    name = take(sandbox)
    web.answer = 503
    drill.drill(sandbox.env(), name)
    assert len(alerts.open_alerts(sandbox.env().ctx)) == 1
    env = Sandbox(sandbox.root, sandbox.database).env()
    assert drill.drill(env, name).proven
    assert alerts.open_alerts(env.ctx) == []
    assert len(web.requests) == 1


def test_without_an_address_nobody_is_called(root: Path, books: Database) -> None:
    sandbox = Sandbox(root, books)
    examination = drill.drill(sandbox.env(), take(sandbox))
    assert examination.proven
    assert noted(sandbox) == []
    with opened() as paths:
        proof_ping.ping_after_proof(examination)
    assert [path for path in paths if path.endswith(".manifest.json")] == [], "nor is the folder read"
