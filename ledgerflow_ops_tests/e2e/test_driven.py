"""Nobody but its owner drives the web page: not another page in the owner's browser, not another account.

The page is a real one with a proven backup behind it, the browser has the owner's session, and the orders are
those that would do most harm, one for each job that there is. Each carries a tag of its own, so a run that
came of one is found, whatever else the daemon does meanwhile.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from ledgerflow_ops_tests.e2e import commands, web
from ledgerflow_ops_tests.e2e.commands import PROGRAM, CommandResult, Shell
from ledgerflow_ops_tests.e2e.pages import PATIENCE
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.browsers import chromium

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]

REBOUND = "elsewhere.example"
LENIENT = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
JOBS = """{repositoryOrError(repositorySelector: {repositoryName: "__repository__",
  repositoryLocationName: "ledgerflow_ops"}) {... on Repository {jobs {name}}}}"""
RUNS = (
    '{runsOrError(filter: {tags: [{key: "driven", value: "yes"}]}) {... on Runs {results {jobName status}}}}'
)
LAUNCH = """mutation {launchRun(executionParams: {selector: {pipelineName: "%s",
  repositoryName: "__repository__", repositoryLocationName: "ledgerflow_ops"}, runConfigData: "%s",
  executionMetadata: {tags: [{key: "driven", value: "yes"}]}}) {__typename
  ... on RunConfigValidationInvalid {errors {message}} ... on LaunchRunSuccess {run {runId}}}}"""


def open_to_all(shell: Shell, *words: str, **variables: str) -> CommandResult:
    """Run the program where the umask takes nothing away."""
    return shell.run(["sh", "-c", 'umask 000; exec "$0" "$@"', str(PROGRAM), *words], **variables)


@pytest.fixture(scope="module")
def running(session_root: Path) -> Iterator[Shell]:
    with commands.shell(session_root, LEDGER_ENV="dev") as found:
        for words in (["backup", "--file", "first.dump"], ["up"], ["report"], ["watchdog", "--quiet"]):
            said = open_to_all(found, *words)
            assert said.code in (0, 1 if words[0] == "watchdog" else 0), said.all
        yield found


@pytest.fixture(scope="module")
def address(running: Shell) -> str:
    return str(running.ledgerflow("up", "--json").json["address"])


def link(shell: Shell) -> str:
    """A fresh link, as `make up` prints it."""
    said = shell.make("up")
    [found] = re.findall(r"http://127\.0\.0\.1:\d+/login\?token=\S+", said.out)
    return str(found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for which a name elsewhere leads to loopback, as it does after a DNS rebinding.

    It lets pages ask for addresses of this machine, as all browsers did until 2025.
    """
    with chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1", LENIENT) as found:
        yield found


@pytest.fixture(scope="module")
def owner(browser: Browser, running: Shell) -> Iterator[BrowserContext]:
    """The owner's browser, which has opened the link."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(link(running))
    expect(page.get_by_text("Overview").locator("visible=true").first).to_be_visible(timeout=PATIENCE)
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="module")
def orders(running: Shell, address: str) -> dict[str, str]:
    """For each job the order that launches it, with whatever its settings ask for."""
    jobs = [one["name"] for one in web.asked(address, JOBS, running.key())["repositoryOrError"]["jobs"]]
    assert {"dev_restore", "prod_restore", "test_rollback", "dev_recover", "dev_rotate"} <= set(jobs)
    return {job: LAUNCH % (job, _config(job).replace('"', '\\"')) for job in jobs}


def _config(job: str) -> str:
    environment, _, what = job.partition("_")
    typed: dict[str, dict[str, Any]] = {
        "restore": {"file": "first.dump", "from_env": "dev", "confirm": "prod", "force": True},
        "rollback": {"force": True},
        "recover": {"confirm": environment},
        "rotate": {"carry_out": True, "confirm": environment},
    }
    if what not in typed:
        return "{}"
    step = f"{environment}__rotation" if what == "rotate" else f"{job}_op"
    return json.dumps({"ops": {step: {"config": {"environment": environment, **typed[what]}}}})


@contextmanager
def untouched(shell: Shell, address: str) -> Iterator[None]:
    """Afterwards there is no run of these orders, and the journal and the backups are what they were."""

    def seen() -> tuple[bytes, dict[str, int], Any]:
        files = {one.name: one.stat().st_mtime_ns for one in (shell.backups / "dev").iterdir()}
        status = shell.ledgerflow("status", "--json").json["environments"][0]["kept_databases"]
        return (shell.state / "journal.jsonl").read_bytes(), files, status

    before = seen()
    yield
    assert web.asked(address, RUNS, shell.key())["runsOrError"]["results"] == []
    assert seen() == before


ATTACK = """<!doctype html><title>elsewhere</title><body><script>
const settled = (start) => new Promise((done) => {start(done); setTimeout(done, 10000);});
async function attack(target, orders) {
  const url = target + "/graphql", tried = [];
  for (const order of orders) {
    const asked = url + "?query=" + encodeURIComponent(order), body = JSON.stringify({query: order});
    tried.push(settled((done) => {
      const image = new Image(); image.onload = image.onerror = done; image.src = asked;
    }));
    for (const kind of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
      tried.push(settled((done) => {
        const frame = document.createElement("iframe"), form = document.createElement("form");
        frame.name = "frame" + Math.random(); frame.onload = done;
        Object.assign(form, {method: "POST", enctype: kind, action: asked, target: frame.name});
        const field = document.createElement("input");
        Object.assign(field, {name: '{"query": ' + JSON.stringify(order) + ', "x": "', value: '"}'});
        form.append(field); document.body.append(frame, form); form.submit();
      }));
    for (const mode of ["no-cors", "cors"]) {
      tried.push(fetch(asked, {mode, credentials: "include"}).catch(() => 0));
      for (const kind of ["text/plain", "application/json", "text/plain; application/json"])
        tried.push(fetch(url, {method: "POST", mode, credentials: "include", body,
          headers: {"Content-Type": kind}}).catch(() => 0));
    }
    navigator.sendBeacon(asked, new Blob([body], {type: "text/plain"}));
    tried.push(settled((done) => {const script = document.createElement("script");
      script.onload = script.onerror = done; script.src = asked; document.body.append(script);}));
  }
  tried.push(settled((done) => {const frame = document.createElement("iframe");
    frame.onload = done; frame.src = target + "/jobs"; document.body.append(frame);}));
  const socket = await new Promise((done) => {
    const line = new WebSocket(url.replace("http", "ws"), "graphql-ws");
    line.onopen = () => done("open"); line.onerror = () => done("refused");
  });
  await Promise.all(tried);
  return socket;
}
</script>"""


@contextmanager
def elsewhere() -> Iterator[int]:
    """A web page of somebody else's, on a port of its own, at every name of this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACK.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", REBOUND])
def test_a_page_from_elsewhere_launches_nothing(
    owner: BrowserContext, running: Shell, address: str, orders: dict[str, str], host: str
) -> None:
    """At another port of the same host its requests carry the owner's cookie; at another host they do not."""
    sent: list[str] = []
    answered: dict[str, int] = {}
    with elsewhere() as port, untouched(running, address):
        page = owner.new_page()
        page.on("request", lambda one: sent.append(one.url))
        page.on("response", lambda one: answered.update({f"{one.request.method} {one.url}": one.status}))
        page.goto(f"http://{host}:{port}/")
        targets = [address] if host != REBOUND else [address, address.replace("127.0.0.1", REBOUND)]
        for target in targets:
            assert (
                page.evaluate("([to, what]) => attack(to, what)", [target, [*orders.values()]]) == "refused"
            )
            statuses = {status for one, status in answered.items() if one.split()[1].startswith(target)}
            assert statuses <= {401, 403, 405, 415}, answered
            assert len(statuses) >= 1
        page.close()
    assert len([url for url in sent if url.startswith(address)]) > 10 * len(orders), "they were really sent"


def test_a_name_that_is_made_to_lead_here_is_refused(
    owner: BrowserContext, running: Shell, address: str, orders: dict[str, str]
) -> None:
    """DNS rebinding: to the browser the page's server is the attacker's own origin."""
    figures = running.ledgerflow("up", "--json").json["metrics"]
    assert exchanged(figures, "GET /metrics HTTP/1.1") == 200
    assert exchanged(figures, "GET /metrics HTTP/1.1", host=f"Host: {REBOUND}") == 403
    rebound = address.replace("127.0.0.1", REBOUND)
    with untouched(running, address):
        page = owner.new_page()
        found = page.goto(rebound)
        assert found
        assert found.status == 403
        page.route(
            f"{rebound}/theirs", lambda route: route.fulfill(body="<title>before the name moved</title>")
        )
        page.goto(f"{rebound}/theirs")
        for order in orders.values():
            status = page.evaluate(
                """(query) => fetch("/graphql", {method: "POST", body: JSON.stringify({query}),
                headers: {"Content-Type": "application/json"}}).then((answer) => answer.status)""",
                order,
            )
            assert status == 403
        page.close()


def exchanged(address: str, head: str, body: str = "", host: str | None = None) -> int:
    """The status of the answer to a request that is written out."""
    place = urlsplit(address)
    lines = [head, f"Host: {place.netloc}" if host is None else host, "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    text = "\r\n".join(line for line in lines if line) + "\r\n\r\n" + body
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=30) as line:
        line.sendall(text.encode())
        return int((line.makefile("rb").readline().split() or [b"", b"0"])[1])


def test_no_raw_request_of_another_account_launches_anything(
    running: Shell, address: str, orders: dict[str, str]
) -> None:
    """Each is as the page itself would send it, but that it knows no secret."""
    own, kind = f"Origin: {address}", "Content-Type: application/json"
    used = link(running)
    assert web.get(used).status == 303
    with untouched(running, address):
        for order in orders.values():
            body, asked = json.dumps({"query": order}), f"/graphql?query={quote(order)}"
            for head, sent in (
                (f"POST /graphql HTTP/1.1\r\n{own}\r\n{kind}", body),
                (f"POST /graphql HTTP/1.1\r\n{kind}\r\nCookie: ledgerflow_webserver_1=a.b", body),
                (f"POST /graphql HTTP/1.1\r\n{kind}\r\nAuthorization: Bearer x", body),
                (f"POST /graphql HTTP/1.1\r\n{kind}\r\nX-Ledgerflow-Proxy: ", body),
                (f"POST /graphql HTTP/1.1\r\n{kind}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", body),
                (f"POST /graphql HTTP/1.0\r\n{kind}", body),
                (f"GET {asked} HTTP/1.1\r\nAccept: application/json", ""),
                (f"GET {address}{asked} HTTP/1.1", ""),
                (f"POST {address}/graphql HTTP/1.1\r\n{kind}", body),
                (f"POST {asked} HTTP/1.1\r\nContent-Type: text/plain", "x"),
            ):
                assert exchanged(address, head, sent) in (400, 401, 403, 405, 415), head
        assert web.get(used).status == 401, "a link is good once"
        assert web.get(f"{address}/login?token={'T' * 43}").status == 401
        assert web.upgraded(address, "/graphql", "", address)[0] == 401


def test_no_raw_request_with_the_owners_cookie_but_otherwise_forged_launches_anything(
    owner: BrowserContext, running: Shell, address: str, orders: dict[str, str]
) -> None:
    """Each other check on its own: the cookie is valid, and one other property is wrong."""
    [kept] = [one for one in owner.cookies() if one["name"].startswith("ledgerflow_")]
    known = f"Cookie: {kept['name']}={kept['value']}"
    post = f"POST /graphql HTTP/1.1\r\n{known}\r\nContent-Type: application/json"
    here = urlsplit(address).netloc
    with untouched(running, address):
        for order in orders.values():
            body, asked = json.dumps({"query": order}), f"/graphql?query={quote(order)}"
            forged: list[tuple[str, str, str | None]] = [
                (f"{post}\r\nOrigin: https://elsewhere.example", body, None),
                (f"{post}\r\nOrigin: null", body, None),
                (f"{post}\r\nOrigin: {address.replace('127.0.0.1', 'localhost')}", body, None),
                (f"{post}\r\nOrigin: {address}\r\nSec-Fetch-Site: cross-site", body, None),
                (f"{post}\r\nOrigin: {address}\r\nSec-Fetch-Site: same-site", body, None),
                (post, body, "Host: elsewhere.example"),
                (post, body, f"Host: {here}\r\nHost: {here}"),
                (post, body, ""),
                (post, f"[{body}]", None),
                (
                    post,
                    json.dumps({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}),
                    None,
                ),
                (f"GET {asked} HTTP/1.1\r\n{known}", "", None),
                (f"HEAD {asked} HTTP/1.1\r\n{known}", "", None),
                (f"GET {asked.replace('/g', '/%67')} HTTP/1.1\r\n{known}", "", None),
                (f"GET {address}{asked} HTTP/1.1\r\n{known}", "", None),
                *[
                    (post.replace("POST", method, 1), body, None)
                    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "post", "Post")
                ],
                *[
                    (post.replace("application/json", kind), body, None)
                    for kind in (
                        "text/plain",
                        "text/plain; application/json",
                        "application/x-www-form-urlencoded",
                    )
                ],
            ]
            for head, sent, host in forged:
                assert exchanged(address, head, sent, host) in (400, 403, 405, 415, 500), (head, host)
        assert web.upgraded(address, "/graphql", "", "https://elsewhere.example")[0] == 403


def test_the_same_orders_are_carried_out_for_the_owner(
    owner: BrowserContext, running: Shell, address: str, orders: dict[str, str]
) -> None:
    """This shows that the guard refused them. In the page itself, the result appears while it arrives."""
    page = owner.new_page()
    frames: list[str] = []
    page.on("websocket", lambda line: line.on("framereceived", lambda frame: frames.append(str(frame))))
    page.goto(address)
    told = page.evaluate(
        """(query) => fetch("/graphql", {method: "POST", body: JSON.stringify({query}),
        headers: {"Content-Type": "application/json"}}).then((answer) => answer.json())""",
        orders["catalog_job"],
    )
    run = told["data"]["launchRun"]
    assert run["__typename"] == "LaunchRunSuccess", told
    page.goto(f"{address}/runs/{run['run']['runId']}")
    expect(page.get_by_text("Success", exact=True).locator("visible=true").first).to_be_visible(
        timeout=PATIENCE
    )
    assert any("LogsSubscriptionSuccess" in frame for frame in frames), "live updates came by the websocket"
    page.close()
    found = web.asked(address, RUNS, running.key())["runsOrError"]["results"]
    assert [one["jobName"] for one in found] == ["catalog_job"]


def test_the_launchpad_asks_for_the_environments_name(
    owner: BrowserContext, running: Shell, address: str, tmp_path: Path
) -> None:
    page = owner.new_page()
    page.goto(f"{address}/locations/ledgerflow_ops/jobs/dev_rollback/playground")
    missing = page.get_by_text('Missing required config entry "environment"').first
    expect(missing).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Launch Run")).to_be_disabled(timeout=PATIENCE)
    page.screenshot(path=tmp_path / "launchpad.png")
    page.close()
    unnamed = json.dumps({"ops": {"dev_rollback_op": {"config": {"force": True}}}}).replace('"', '\\"')
    told = web.asked(address, LAUNCH % ("dev_rollback", unnamed), running.key())["launchRun"]
    assert told["__typename"] == "RunConfigValidationInvalid"
    assert any('"environment"' in error["message"] for error in told["errors"])


def test_a_link_elsewhere_fills_in_no_launchpad(owner: BrowserContext, running: Shell, address: str) -> None:
    """With a run config and the environment's name in it, a run would be one click away."""
    config = quote("ops:\n  dev_rollback_op:\n    config:\n      environment: dev\n      force: true\n")
    launchpad = f"{address}/locations/ledgerflow_ops/jobs/dev_rollback/playground/setup"
    with elsewhere() as port:
        for url, told in ((f"{launchpad}?config={config}", 403), (launchpad, 200)):
            page = owner.new_page()  # of its own: the answer comes before the navigation to it has ended
            page.goto(f"http://127.0.0.1:{port}/")
            with page.expect_response(url) as answered:
                page.evaluate("(url) => {location = url}", url)
            assert answered.value.status == told


def test_no_other_account_can_connect_to_the_code_servers(running: Shell) -> None:
    """They execute whatever they are sent. They are started with an umask of 000."""
    modes: dict[str, list[int]] = {}

    def both_seen() -> bool:
        """The daemon replaces its code server when the definitions change: sockets may go meanwhile."""
        for name in ("webserver", "daemon"):
            note = running.state / "servers" / f"{name}.json"
            for path in _sockets(json.loads(note.read_text())["pid"]):
                with suppress(FileNotFoundError):
                    modes.setdefault(name, []).append(path.stat().st_mode & 0o777)
        return {"webserver", "daemon"} <= modes.keys()

    assert sandboxes.wait_until(both_seen), modes
    assert [mode for found in modes.values() for mode in found if mode & 0o077] == []


def _sockets(server: int) -> list[Path]:
    """By which a server's own code servers are spoken to."""
    found = []
    with suppress(psutil.Error):
        for child in psutil.Process(server).children(recursive=True):
            with suppress(psutil.Error):
                line = child.cmdline()
                found += [Path(line[line.index("--socket") + 1])] if "--socket" in line else []
    return found


EXCEPTIONS = {
    ".": "PostgreSQL's account passes through to its servers, where we are root",
    "postgres": "the same",
    "postgres/drills": "the same",
    "postgres/templates": "the same",
}


def test_nothing_in_the_state_folder_is_open_to_others_whatever_the_umask(running: Shell) -> None:
    """After a backup, a drill, a report, `up` and its daemon, with a umask of 000."""
    found = {
        path.relative_to(running.state).as_posix(): path.lstat().st_mode & 0o777
        for path in (running.state, *running.state.rglob("*"))
        if not path.is_symlink() and not path.is_socket()
    }
    assert {"journal.jsonl", "identities.json", "servers/daemon.log", "servers/webserver.secret"} <= set(
        found
    )
    assert {"dagster/dagster.yaml", "locks", "reports", "embedded.password"} <= set(found)
    open_to_others = {name: oct(mode) for name, mode in found.items() if mode & 0o077}
    assert set(open_to_others) <= set(EXCEPTIONS), open_to_others
    assert {found[name] for name in open_to_others} <= {0o711}
    backups = [path for path in running.backups.rglob("*") if path.lstat().st_mode & 0o077]
    assert backups == []
