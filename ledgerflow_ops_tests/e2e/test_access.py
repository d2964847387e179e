"""Who may view and who may act: two real web pages, with a real nginx in front of them."""

import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from ledgerflow_ops import config
from ledgerflow_ops.adapters.cluster.cluster import free_port, wait_for_end
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.servers import web_servers
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
    return {"3070": free_port(), "3071": free_port(), "8070": free_port()}


@pytest.fixture(scope="module")
def secret() -> str:
    """What the pages know nginx by."""
    return secrets.token_hex(32)


@pytest.fixture(scope="module")
def running(session_root: Path, ports: dict[str, int], secret: str) -> Iterator[Shell]:
    """Both pages, at ports and for a proxy that the settings name."""
    file = session_root / "proxy.secret"
    file.touch(mode=0o600)
    file.write_text(f"{secret}\n")
    named = {
        "LEDGER_WEB_PORT": str(ports["3070"]),
        "LEDGER_VIEWERS_PORT": str(ports["3071"]),
        "LEDGER_WEB_ADDRESSES": json.dumps([f"http://127.0.0.1:{ports['8070']}"]),
        "LEDGER_WEB_PROXY_SECRET_FILE": str(file),
    }
    with commands.shell(session_root, LEDGER_ENV="dev", **named) as found:
        said = found.ledgerflow("up", "--json")
        assert said.code == 0, said.all
        assert said.json["address"] == f"http://127.0.0.1:{ports['3070']}"
        assert said.json["viewers"] == f"http://127.0.0.1:{ports['3071']}"
        yield found


@pytest.fixture(scope="module")
def front(running: Shell, ports: dict[str, int], secret: str) -> Iterator[str]:
    """The address of nginx."""
    people = dict(one.split(":") for one in (OWNER, VIEWER))
    with nginx(running.root / "nginx", ports, people, secret) as address:
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


@pytest.mark.parametrize("person", [OWNER, VIEWER])
def test_an_image_elsewhere_gives_none_either(front: str, person: str) -> None:
    """It has no Origin, and the browser sends the password with it: such a GET has restored a database."""
    order = quote("mutation {reloadWorkspace {__typename}}")
    assert web.get(f"{front}/graphql?query={order}", person).status == 403
    assert web.get(f"{front}/%67raphql?query={order}", person).status == 403
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert web.get(f"{front}/favicon.png", person, None, **image).status == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert web.get(f"{front}/runs", person, None, **link).status == 200, "a link in a mail"


def test_the_pages_own_server_sees_to_it_too(
    running: Shell, front: str, ports: dict[str, int], secret: str
) -> None:
    """Behind an nginx that lets everything through, and without one: nobody but the proxy has its secret."""
    page, host = f"http://127.0.0.1:{ports['3070']}", front.removeprefix("http://")
    proxied = {"X-Ledgerflow-Proxy": secret, "Host": host}
    assert web.get(f"{page}/server_info", "", None, **proxied).status == 200
    assert (
        web.get(f"{page}/server_info", "", None, **{**proxied, "X-Ledgerflow-Proxy": secret[::-1]}).status
        == 401
    )
    assert web.get(f"{page}/server_info", "", None, **{**proxied, "X-Ledgerflow-Proxy": ""}).status == 401
    assert web.get(f"{page}/graphql?query=%7Bversion%7D", "", None, **proxied).status == 405
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert web.get(f"{page}/", "", None, **proxied, **image).status == 403
    assert web.get(f"{page}/", "", None, **proxied, Origin=page).status == 403, (
        "an address of ours, and not this one"
    )
    assert web.get(f"{page}/", "", None, **{**proxied, "Host": "elsewhere.example"}).status == 403
    for other in (page, f"http://127.0.0.1:{ports['3071']}"):
        answer = web.get(f"{other}/")
        assert answer.status == 401
        assert "make up" in answer.text


def test_a_secret_that_keeps_nobody_out_is_refused(running: Shell, tmp_path: Path) -> None:
    file = tmp_path / "proxy.secret"
    for text, mode, said in (
        (None, 0, "No such file"),
        ("short", 0o600, "at least 32 characters"),
        ("two words " * 8, 0o600, "one word"),
        ("a" * 32, 0o644, "every account may read"),
    ):
        if text is not None:
            file.write_text(text)
            file.chmod(mode)
        told = running.ledgerflow("up", LEDGER_WEB_PROXY_SECRET_FILE=str(file))
        assert told.code == 2, told.all
        assert said in told.errors
        assert f"chmod 600 {file}" in told.errors


def test_both_pages_listen_on_loopback_only(running: Shell, ports: dict[str, int]) -> None:
    pages = [psutil.Process(int(_note(running, name)["pid"])) for name in ("webserver", "viewers")]
    found = [
        one.laddr
        for page in pages
        for one in page.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    ]
    ours = {ports[one] for one in ("3070", "3071")}
    assert {one.port for one in found if one.ip == "127.0.0.1"} == ours
    assert {one.ip for one in found} <= {"127.0.0.1", "::1"}
    if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
        for port in ours:  # localhost is ::1 first: nobody else may answer there
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("::1", port), family=socket.AF_INET6)


def test_a_reload_shows_the_days_as_they_are_now_on_both(
    running: Shell, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    ctx = OperationContext(config.load())
    for person in (OWNER, VIEWER):
        assert len(web.asked(front, DAYS, person)["assetNodeOrError"]["partitionKeys"]) == 8
    before = _processes(running, "viewers")
    (running.root / "empty.toml").write_text("[environments.dev]\nretention_days = 3\n")
    assert web_servers.reload_pages(ctx)
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
    assert web.get(f"http://127.0.0.1:{port}/server_info", running.key("viewers")).status == 200
    assert wait_for_end(before, 60)
    before = psutil.Process(_processes(running, "viewers")[0])
    assert "viewers" not in running.ledgerflow("up", "--json", LEDGER_VIEWERS_PORT="").json
    assert wait_for_end(before, 60)


def test_a_port_that_is_taken_is_reported(running: Shell, session_root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, commands.shell(session_root) as other:
        port = taken.getsockname()[1]
        said = other.ledgerflow("up", LEDGER_WEB_PORT=str(port))
        assert said.code == 1
        assert f"Port {port} on 127.0.0.1 is taken" in said.errors
        assert "web_port" in said.errors


def test_where_no_page_runs_a_reload_is_quiet(tmp_path: Path) -> None:
    ctx = OperationContext(config.Settings(state_dir=tmp_path, backup_root=tmp_path / "backups"))
    assert web_servers.reload_pages(ctx) is False
    note = tmp_path / "servers" / "webserver.json"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.close()
        own = psutil.Process()
        address = f"http://127.0.0.1:{free_port()}"
        note.write_text(json.dumps({"pid": own.pid, "started": own.create_time(), "address": address}))
    assert web_servers.reload_pages(ctx) is False


def _note(shell: Shell, name: str) -> dict[str, Any]:
    return dict(json.loads((shell.state / "servers" / f"{name}.json").read_text()))


def _processes(shell: Shell, name: str) -> list[int]:
    """A page's processes: its own and those that it has started."""
    page = psutil.Process(int(_note(shell, name)["pid"]))
    return [page.pid, *(child.pid for child in page.children(recursive=True))]
