"""Who may look and who may act: two real web pages, a real nginx in front of them."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ledgerflow_ops import config
from ledgerflow_ops.adapters.cluster import ended, free_port
from ledgerflow_ops.operations import servers
from ledgerflow_ops.operations.desk import Desk
from ledgerflow_ops_tests.e2e import commands, web
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes.nginx import nginx

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OWNER, VIEWER = "owner:it is mine", "accountant:only looking"
LAUNCH = """mutation($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
SELECTOR = {
    "pipelineName": "catalog_job",
    "repositoryName": "__repository__",
    "repositoryLocationName": "ledgerflow_ops",
}
WIPE = """mutation($ranges: [PartitionsByAssetSelector!]!) {
  wipeAssets(assetPartitionRanges: $ranges) { __typename }
}"""
DAYS = """{assetNodeOrError(assetKey: {path: ["dev", "dump"]}) {... on AssetNode {partitionKeys}}}"""
RUNS = "{runsOrError {... on Runs {results {jobName}}}}"
RELOAD = "mutation {reloadWorkspace {__typename}}"


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """By their ports in docs/nginx.conf."""
    return {"3070": free_port(), "3071": free_port()}


@pytest.fixture(scope="module")
def running(session_root: Path, ports: dict[str, int]) -> Iterator[Shell]:
    """Both pages, at ports that the settings name."""
    named = {"LEDGER_WEB_PORT": str(ports["3070"]), "LEDGER_VIEWERS_PORT": str(ports["3071"])}
    with commands.shell(session_root, LEDGER_ENV="dev", **named) as found:
        said = found.ledgerflow("up", "--json")
        assert said.code == 0, said.all
        assert said.json["address"] == f"http://127.0.0.1:{ports['3070']}"
        assert said.json["viewers"] == f"http://127.0.0.1:{ports['3071']}"
        yield found


@pytest.fixture(scope="module")
def front(running: Shell, ports: dict[str, int]) -> Iterator[str]:
    """The address of nginx."""
    people = dict(one.split(":") for one in (OWNER, VIEWER))
    with nginx(running.root / "nginx", ports, people) as address:
        yield address


def test_without_a_password_there_is_nothing(front: str) -> None:
    for person in ("", "owner:guessed", "nobody:it is mine", "owner:", "owner:only looking"):
        for path in ("/", "/graphql", "/server_info", "/assets/dev/dump"):
            answer = web.get(f"{front}{path}", person)
            assert answer.status == 401, (person, path)
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="ledgerflow"'
    assert web.get(f"{front}/", "").text.count("dagster") == 0


@pytest.mark.parametrize("person", [OWNER, VIEWER])
def test_with_one_the_page_is_there_and_its_live_updates(front: str, person: str) -> None:
    assert web.get(f"{front}/", person).status == 200
    assert "dagster_webserver_version" in web.get(f"{front}/server_info", person).text
    assert web.asked(front, "{version}", person)["version"]
    status, answer = web.upgraded(front, "/graphql", person)
    assert status == 101
    assert answer == {"type": "connection_ack"}
    assert web.upgraded(front, "/graphql", "")[0] == 401


def test_a_viewer_changes_nothing_and_the_owner_may(front: str) -> None:
    ranges = {"ranges": [{"assetKey": {"path": ["catalog"]}}]}
    orders: list[tuple[str, dict[str, Any]]] = [
        (LAUNCH, {"selector": SELECTOR}),
        (WIPE, ranges),
        (RELOAD, {}),
        ('mutation {terminateRun(runId: "x") {__typename}}', {}),
        ('mutation {deletePipelineRun(runId: "x") {__typename}}', {}),
        ('mutation {setConcurrencyLimit(concurrencyKey: "x", limit: 1)}', {}),
    ]
    for order, variables in orders:
        told = web.answered(front, order, VIEWER, **variables)
        assert "UnauthorizedError" in json.dumps(told), (order, told)
    runs = web.asked(front, RUNS, VIEWER)["runsOrError"]["results"]
    assert {"jobName": "catalog_job"} not in runs
    launched = web.asked(front, LAUNCH, OWNER, selector=SELECTOR)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert web.asked(front, RELOAD, OWNER)["reloadWorkspace"]["__typename"] == "Workspace"


def test_a_page_from_elsewhere_gives_no_orders(front: str) -> None:
    own = web.answered(front, "{version}", OWNER, origin=front)
    assert own["data"]["version"]
    for origin in (
        "https://elsewhere.example",
        "null",
        f"{front}.elsewhere.example",
        front.replace("http", "https"),
    ):
        assert web.get(f"{front}/", OWNER, Origin=origin).status == 403, origin
        assert web.upgraded(front, "/graphql", OWNER, origin)[0] == 403, origin


def test_both_pages_listen_on_loopback_only(running: Shell, ports: dict[str, int]) -> None:
    pages = [psutil.Process(int(_note(running, name)["pid"])) for name in ("webserver", "viewers")]
    found = [
        one.laddr
        for page in pages
        for one in page.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert {(one.ip, one.port) for one in found} == {("127.0.0.1", port) for port in ports.values()}


def test_a_reload_shows_the_days_as_they_are_now_on_both(
    running: Shell, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    desk = Desk(config.load())
    for person in (OWNER, VIEWER):
        assert len(web.asked(front, DAYS, person)["assetNodeOrError"]["partitionKeys"]) == 8
    before = _processes(running, "viewers")
    (running.root / "empty.toml").write_text("[environments.dev]\nretention_days = 3\n")
    assert servers.reload(desk)
    assert _processes(running, "viewers")[0] != before[0]
    assert len(web.asked(front, DAYS, OWNER)["assetNodeOrError"]["partitionKeys"]) == 4
    assert running.ledgerflow("up").code == 0, "waits until both answer"
    assert len(web.asked(front, DAYS, VIEWER)["assetNodeOrError"]["partitionKeys"]) == 4
    assert not [pid for pid in before if psutil.pid_exists(pid)]


def test_a_page_moves_to_the_port_that_is_set_now_and_ends_where_none_is(
    running: Shell, ports: dict[str, int]
) -> None:
    before, port = psutil.Process(_processes(running, "viewers")[0]), free_port()
    said = running.ledgerflow("up", "--json", LEDGER_VIEWERS_PORT=str(port))
    assert said.json["viewers"] == f"http://127.0.0.1:{port}"
    assert said.json["address"] == f"http://127.0.0.1:{ports['3070']}", "the other one stays"
    assert web.get(f"http://127.0.0.1:{port}/server_info", "").status == 200
    assert ended(before, 60)
    before = psutil.Process(_processes(running, "viewers")[0])
    assert "viewers" not in running.ledgerflow("up", "--json", LEDGER_VIEWERS_PORT="").json
    assert ended(before, 60)


def test_a_port_that_is_taken_is_told(running: Shell, session_root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, commands.shell(session_root) as other:
        port = taken.getsockname()[1]
        said = other.ledgerflow("up", LEDGER_WEB_PORT=str(port))
        assert said.code == 1
        assert f"Port {port} on 127.0.0.1 is taken" in said.errors
        assert "web_port" in said.errors


def test_where_no_page_runs_a_reload_is_quiet(tmp_path: Path) -> None:
    desk = Desk(config.Settings(state_dir=tmp_path, backup_root=tmp_path / "backups"))
    assert servers.reload(desk) is False
    note = tmp_path / "servers" / "webserver.json"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.close()
        own = psutil.Process()
        address = f"http://127.0.0.1:{free_port()}"
        note.write_text(json.dumps({"pid": own.pid, "started": own.create_time(), "address": address}))
    assert servers.reload(desk) is False


def _note(shell: Shell, name: str) -> dict[str, Any]:
    return dict(json.loads((shell.state / "servers" / f"{name}.json").read_text()))


def _processes(shell: Shell, name: str) -> list[int]:
    """A page's processes: its own and those that it has started."""
    page = psutil.Process(int(_note(shell, name)["pid"]))
    return [page.pid, *(child.pid for child in page.children(recursive=True))]
