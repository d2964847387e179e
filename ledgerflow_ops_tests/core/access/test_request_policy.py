"""Which requests the page's server carries out: each check alone, with everything else as it should be."""

import dataclasses
from urllib.parse import quote

import pytest

from ledgerflow_ops.core.access import request_policy
from ledgerflow_ops.core.access.request_policy import (
    Allowed,
    LogIn,
    Rejected,
    Request,
    RequestPolicy,
    judge_request,
    served_origins,
    session_cookie,
)

HOST, ORIGIN = "127.0.0.1:3070", "http://127.0.0.1:3070"
POLICY = RequestPolicy(
    "webserver", 3070, served_origins(3070, ["https://backups.example.org"]), "s" * 43, "p" * 64
)
COOKIE = f"{POLICY.cookie}={session_cookie(POLICY, 'abc')}"
ELSEWHERE = [
    "https://elsewhere.example",
    "http://elsewhere.example:3070",
    "null",
    "",
    "http://127.0.0.1:3071",
    "http://127.0.0.1",
    "https://127.0.0.1:3070",
    "http://localhost:3070",  # ours, but not the one that was asked: its port may be another account's on ::1
    "http://[::1]:3070",
    "http://127.0.0.1:3070.elsewhere.example",
    "http://127.0.0.1:3070@elsewhere.example",
    "http://127.0.0.1:3070/",
    "HTTP://127.0.0.1:3070",
    f"{ORIGIN} {ORIGIN}",
    "https://backups.example.org",
]


def request(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    *more: tuple[str, str],
    without: str = "",
    ws: bool = False,
) -> Request:
    """A request of the owner's own browser, but for `without`, and with `more`."""
    usual = [("host", HOST), ("cookie", f"theme=dark; {COOKIE}")]
    if method == "POST":
        usual += [("origin", ORIGIN), ("content-type", "application/json"), ("sec-fetch-site", "same-origin")]
    if ws:
        usual += [("origin", ORIGIN)]
    replaced = {name for name, _ in more}
    kept = [pair for pair in usual if pair[0] != without and pair[0] not in replaced]
    return Request(method, path, query, [*kept, *more], ws)


def status(verdict: object) -> int:
    if isinstance(verdict, Rejected):
        assert verdict.message
        assert verdict.hint
        return verdict.status
    assert isinstance(verdict, Allowed)
    return 200


def of(found: Request, policy: RequestPolicy = POLICY) -> int:
    return status(judge_request(found, policy))


def test_the_owners_browser_does_what_the_page_needs() -> None:
    for path in (
        "/",
        "/runs/1",
        "/graphql",
        "/logs/a/b",
        "/download_debug/1",
        "/assets/a.js",
        "/server_info",
    ):
        assert of(request("GET", path)) == 200
        assert of(request("HEAD", path)) == 200
    assert of(request("POST", "/graphql")) == 200
    assert of(request("POST", "/graphql", "", ("content-type", "application/json; charset=utf-8"))) == 200
    assert of(request("POST", "/report_asset_check/a")) == 200
    assert of(request("GET", "/graphql", ws=True)) == 200
    assert of(request("GET", "/", "", ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"))) == 200


@pytest.mark.parametrize("host", [HOST, "localhost:3070", "[::1]:3070", "LOCALHOST:3070"])
def test_loopbacks_names_are_served_and_only_with_the_port(host: str) -> None:
    assert of(request("GET", "/", "", ("host", host))) == 200
    for other in (
        host.rpartition(":")[0],
        f"{host}1",
        f"{host}.",
        f"x{host}",
        f"{host}@x",
        host + " "[:0] + ",",
    ):
        assert of(request("GET", "/", "", ("host", other))) == 403, other


@pytest.mark.parametrize(
    "host",
    ["", "elsewhere.example", "elsewhere.example:3070", "127.0.0.1:3071", "0.0.0.0:3070", "127.1:3070",
     "2130706433:3070", "localhost.:3070", "localhost.elsewhere.example:3070", "[::ffff:127.0.0.1]:3070",
     "127.0.0.1:3070:3070", "127.0.0.1:03070", "user@127.0.0.1:3070", "backups.example.org:3070"],
)  # fmt: skip
def test_another_name_for_this_address_is_a_rebinding(host: str) -> None:
    assert of(request("GET", "/", "", ("host", host))) == 403
    assert of(request("POST", "/graphql", "", ("host", host), ("origin", f"http://{host}"))) == 403
    assert of(request("GET", "/graphql", "", ("host", host), ("origin", f"http://{host}"), ws=True)) == 403


def test_two_hosts_are_none() -> None:
    assert of(request("GET", "/", "", ("host", HOST), ("host", HOST))) == 403
    assert of(request("GET", "/", "", ("host", HOST), ("host", "elsewhere.example"))) == 403
    assert of(request("GET", "/", "", without="host")) == 403
    assert of(request("GET", f"{ORIGIN}/graphql")) == 403, "a whole address for a path"


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_another_origin_is_refused_whatever_it_asks(origin: str) -> None:
    assert of(request("GET", "/", "", ("origin", origin))) == 403
    assert of(request("POST", "/graphql", "", ("origin", origin))) == 403
    assert of(request("GET", "/graphql", "", ("origin", origin), ws=True)) == 403
    assert of(request("POST", "/graphql", "", ("origin", ORIGIN), ("origin", origin))) == 403
    assert (
        of(request("POST", "/graphql", "", ("authorization", f"Bearer {POLICY.secret}"), ("origin", origin)))
        == 403
    )


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site"])
def test_what_another_page_embeds_is_refused(site: str) -> None:
    said = ("sec-fetch-site", site)
    assert of(request("POST", "/graphql", "", said)) == 403
    assert of(request("GET", "/", "", said)) == 403
    for mode, destination in (
        ("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe"),
        ("navigate", "object"), ("navigate", ""), ("websocket", "websocket"), ("same-origin", "document"),
    ):  # fmt: skip
        how = (("sec-fetch-mode", mode), ("sec-fetch-dest", destination))
        assert of(request("GET", "/", "", said, *how)) == 403, (mode, destination)
        assert of(request("GET", "/graphql", "", said, *how, ws=True)) == 403
    opened = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
    assert of(request("GET", "/runs", "", said, *opened)) == 200, "a link may lead here, and changes nothing"
    assert of(request("POST", "/graphql", "", said, *opened)) == 403, "a form may not"
    assert of(request("GET", "/graphql", "", said, *opened, ws=True)) == 403, "nor a websocket"
    assert of(request("GET", "/graphql", "query=x", said, *opened)) == 403


@pytest.mark.parametrize(
    "query", ["query={version}", "query=" + quote("mutation{x}"), "x", "extensions={}&id=1"]
)
def test_a_get_carries_out_no_query(query: str) -> None:
    for method in ("GET", "HEAD"):
        assert of(request(method, "/graphql", query)) == 405
        assert of(request(method, "/graphql", query, ("authorization", f"Bearer {POLICY.secret}"))) == 405


@pytest.mark.parametrize(
    "method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "post", "get", "Post", "QUERY", ""]
)
def test_other_methods_are_not_served(method: str) -> None:
    assert of(request(method, "/graphql", "", ("content-type", "application/json"))) == 405


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
     "application/graphql", "text/plain; application/json", "application/jsonp",
     "application/json, text/plain", "x/application/json"],
)  # fmt: skip
def test_what_a_form_can_send_is_refused(kind: str) -> None:
    """The types that need no preflight (Fetch, CORS-safelisted), and what a lax comparison lets through."""
    assert of(request("POST", "/graphql", "", ("content-type", kind))) == 415
    assert of(request("POST", "/report_asset_materialization/a", "", ("content-type", kind))) == 415
    both = (("content-type", "application/json"), ("content-type", kind))
    assert of(request("POST", "/graphql", "", *both)) == 415
    assert of(request("POST", "/graphql", "", without="content-type")) == 415


def test_who_knows_no_secret_has_nothing() -> None:
    other = dataclasses.replace(POLICY, port=3071)
    viewers = dataclasses.replace(POLICY, page="viewers")
    again = dataclasses.replace(POLICY, secret="t" * 43)
    value = session_cookie(POLICY, "abc")
    cookies = [
        "", POLICY.cookie, f"{POLICY.cookie}=", f"{POLICY.cookie}=.", f"{POLICY.cookie}=abc",
        f"{POLICY.cookie}=abc.",
        f"{POLICY.cookie}=abd.{value.partition('.')[2]}", f"{POLICY.cookie}=.{value.partition('.')[2]}",
        f"{POLICY.cookie}={value[:-1]}", f"{POLICY.cookie}={value}0", f"{POLICY.cookie}={value.upper()}",
        f"{POLICY.cookie}={session_cookie(other, 'abc')}",
        f"{POLICY.cookie}={session_cookie(viewers, 'abc')}",
        f"{POLICY.cookie}={session_cookie(again, 'abc')}",
        f"{other.cookie}={value}", f"x{POLICY.cookie}={value}",
        f"{POLICY.cookie}={POLICY.secret}", f"{POLICY.cookie}=é.é",
    ]  # fmt: skip
    for cookie in cookies:
        for found in (
            request("GET", "/", "", ("cookie", cookie)),
            request("GET", "/server_info", "", ("cookie", cookie)),
            request("POST", "/graphql", "", ("cookie", cookie)),
            request("GET", "/graphql", "", ("cookie", cookie), ws=True),
        ):
            assert of(found) == 401, cookie
    for bearer in (
        "",
        "Bearer ",
        f"Bearer {value}",
        f"bearer {POLICY.secret}x",
        "Bearer " + "s" * 42,
        "Basic x",
    ):
        assert of(request("GET", "/", "", ("authorization", bearer), without="cookie")) == 401
    proxies = ("", "p" * 63, "p" * 65, POLICY.secret)
    for told in proxies:
        assert of(request("GET", "/", "", (request_policy.PROXY, told), without="cookie")) == 401
    assert of(request("GET", "/", "", ("cookie", f"{POLICY.cookie}={session_cookie(POLICY, '')}"))) == 401
    empty = dataclasses.replace(POLICY, secret="")
    for bearer in ("", "Bearer "):
        assert of(request("GET", "/", "", ("authorization", bearer), without="cookie"), empty) == 401
    unproxied = dataclasses.replace(POLICY, proxy_secret="")
    assert of(request("GET", "/", "", (request_policy.PROXY, ""), without="cookie"), unproxied) == 401


def test_a_cookie_of_the_same_name_from_another_port_takes_nothing_away() -> None:
    tossed = f"{POLICY.cookie}=theirs; {COOKIE}; {POLICY.cookie}=more"
    assert of(request("GET", "/", "", ("cookie", tossed))) == 200
    assert of(request("GET", "/", "", ("cookie", f"{POLICY.cookie}=theirs"), ("cookie", COOKIE))) == 200


def test_our_own_programs_and_a_proxy_are_known_by_their_secret() -> None:
    bearer = ("authorization", f"Bearer {POLICY.secret}")
    proxy = (request_policy.PROXY, POLICY.proxy_secret)
    for known in (bearer, proxy):
        assert of(request("GET", "/server_info", "", known, without="cookie")) == 200
        assert of(request("POST", "/graphql", "", known, without="cookie")) == 200
    front = (("host", "backups.example.org"), ("origin", "https://backups.example.org"))
    assert of(request("POST", "/graphql", "", proxy, *front, without="cookie")) == 200
    plain = (("host", "backups.example.org"), ("origin", "http://backups.example.org"))
    assert of(request("POST", "/graphql", "", proxy, *plain, without="cookie")) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_elsewhere_brings_nothing_after_the_question_mark(site: str) -> None:
    """The launchpad would take a run config from there, and nobody would have typed the environment."""
    opened = (("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
    launchpad = "/locations/ledgerflow_ops/jobs/dev_rollback/playground/setup"
    config = f"config={quote('ops: {dev_rollback_op: {config: {environment: dev}}}')}"
    assert of(request("GET", launchpad, config, *opened)) == 403
    assert of(request("GET", launchpad, "", *opened)) == 200
    assert of(request("GET", launchpad, config, ("sec-fetch-site", "same-origin"), *opened[1:])) == 200
    assert of(request("GET", launchpad, config, ("sec-fetch-site", "none"), *opened[1:])) == 200


@pytest.mark.parametrize("host", ["127.0.0.1:9090", "localhost", "LOCALHOST:80", "[::1]:3070"])
def test_loopbacks_own_names_are_known_at_any_port(host: str) -> None:
    assert request_policy.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "elsewhere.example:9090", "localhost.elsewhere.example", "127.0.0.1:x",
             "127.0.0.1:1,a.example", "localhost.", "a@localhost", "0.0.0.0:9090", "[::1", "127.0.0.1\n"]
)  # fmt: skip
def test_no_other_name_is_loopbacks(host: str) -> None:
    assert not request_policy.is_loopback(host)


TOKEN = "T" * 43


def test_a_link_is_for_a_person_who_opens_it() -> None:
    by_hand = judge_request(request("GET", "/login", f"token={TOKEN}", without="cookie"), POLICY)
    assert by_hand == LogIn(TOKEN, secure=False, known=False)
    opened = (("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
    assert judge_request(request("GET", "/login", f"token={TOKEN}", *opened), POLICY) == LogIn(
        TOKEN, False, known=True
    )
    front = ("host", "backups.example.org")
    assert judge_request(request("GET", "/login", f"token={TOKEN}", front), POLICY) == LogIn(
        TOKEN, True, known=True
    )
    for ahead in ("sec-purpose", "purpose", "x-purpose", "x-moz"):
        assert of(request("GET", "/login", f"token={TOKEN}", (ahead, "prefetch"))) == 403
    for destination in ("iframe", "image", "script", "empty", "object", "embed", "frame"):
        assert of(request("GET", "/login", f"token={TOKEN}", ("sec-fetch-dest", destination))) == 403
    assert of(request("HEAD", "/login", f"token={TOKEN}")) == 403
    assert of(request("GET", "/login", f"token={TOKEN}", ws=True)) == 403
    elsewhere = (("sec-fetch-site", "cross-site"), *opened[1:])
    assert judge_request(request("GET", "/login", f"token={TOKEN}", *elsewhere), POLICY) == LogIn(
        TOKEN, False, True
    )
    assert of(request("POST", "/login", f"token={TOKEN}")) == 403
    assert of(request("GET", "/login", f"token={TOKEN}", ("host", "elsewhere.example"))) == 403


@pytest.mark.parametrize(
    "query",
    ["token=", "x=1", f"token={TOKEN}&token={TOKEN}", "token=../webserver.secret", "token=short",
     f"token={TOKEN}%2f", "token=" + "T" * 129],
)  # fmt: skip
def test_what_is_no_token_opens_nothing(query: str) -> None:
    assert judge_request(request("GET", "/login", query, without="cookie"), POLICY) is request_policy.USED


def test_addresses_are_known_as_browsers_write_them() -> None:
    found = served_origins(
        3070, ["https://a.example", "http://b.example:8070", "https://c.example:8443", "http://[fe80::1]:80"]
    )
    assert found["a.example"] == found["a.example:443"] == "https://a.example"
    assert found["b.example:8070"] == "http://b.example:8070"
    assert found["c.example:8443"] == "https://c.example:8443"
    assert found["[fe80::1]"] == "http://[fe80::1]"
    assert "b.example" not in found
