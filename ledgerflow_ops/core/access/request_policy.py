"""Which requests the web page's server carries out, and how it answers the others.

Listening on loopback keeps out other machines and nothing else: any web page can make a browser send requests
there, and so can any account of the machine. A request is therefore carried out only if

- it was sent to an address that is served here (against DNS rebinding),
- no other site caused it (Origin, Sec-Fetch-Site),
- a change comes in a form that a page of another site cannot send without a preflight, and
- it carries a secret.

Each check alone stops another site's page; all of them are made.

Sources: RFC 9110 (section 7.2, Host; 9.2.1, safe methods), RFC 6265bis (SameSite; cookies are not separated
by port), Fetch (Origin; content types that need no preflight), Fetch Metadata (Sec-Fetch-*).
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledgerflow_ops.core.hints import Hint, make

LOGIN = "/login"
"""The path of a one-time link."""
PROXY = "x-ledgerflow-proxy"
"""The header in which a reverse proxy sends its secret."""
_READS = ("GET", "HEAD")
_GRAPHQL = "/graphql"
_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"token=([A-Za-z0-9_-]{20,128})")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head. Names of headers are in lower case; `query` is what follows the question mark."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    websocket: bool = False

    def all(self, name: str) -> list[str]:
        """The values of a header, in order; empty if it was not sent."""
        return [value.strip() for header, value in self.headers if header == name]

    def one(self, name: str) -> str:
        """A header's value; empty if it was not sent, or more than once."""
        values = self.all(name)
        return values[0] if len(values) == 1 else ""


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """The addresses that a page's server serves, and the secrets that it accepts.

    `origins` maps the Host that a browser sends to the origin of that address. `secret` is the server's own,
    which our programs send. `proxy_secret` is the one of a reverse proxy that checks passwords, or empty.
    """

    page: str
    port: int
    origins: Mapping[str, str]
    secret: str
    proxy_secret: str = ""

    @property
    def cookie(self) -> str:
        """The session cookie's name. It contains the port: browsers send a cookie to every port of a host, so
        two servers would overwrite each other's session."""
        return f"ledgerflow_{self.page}_{self.port}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may be carried out."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """The request opens a one-time link: if its token is valid, the browser gets a session.

    `secure`: the cookie is sent over TLS only. `known`: the browser has a session already, so it is let in
    even if the token is not valid.
    """

    token: str
    secure: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is not carried out: the HTTP status, the reason, and what to do."""

    status: int
    message: str
    hint: Hint


RequestVerdict = Allowed | LogIn | Rejected

NO_SESSION = Rejected(
    401,
    "This browser has no session here.",
    Hint("Type `", make("up"), "` at a terminal: it prints a link that opens this page, once."),
)
USED = Rejected(
    401,
    "This link has been used, or is too old.",
    Hint("Type `", make("up"), "` at a terminal for a fresh one."),
)


def judge_request(request: Request, policy: RequestPolicy) -> RequestVerdict:
    """The decision on a request: allowed, a login, or rejected with a reason."""
    origin = policy.origins.get(request.one("host").lower())
    if origin is None or not request.path.startswith("/"):
        served = ", ".join(sorted(set(policy.origins.values())))
        return Rejected(
            403, "This address is not served here.", Hint(f"Open {served}, or add yours to web_addresses.")
        )
    rejection = _cross_site_rejection(request, origin) or _malformed_rejection(request)
    if rejection:
        return rejection
    if request.path == LOGIN and request.query:
        return _login(request, policy, origin)
    return _authenticate(request, policy)


def _cross_site_rejection(request: Request, origin: str) -> Rejected | None:
    """The rejection if another site caused the request, else None.

    A browser sends Origin with every websocket (RFC 6455, section 4.1) and every POST (Fetch). Without it the
    request comes from another program, which has no cookies of a browser. A plain GET has no Origin.

    A link on another site may lead here, but not with a query string: the launchpad takes a whole run config
    from it, with the environment's name, and would then be one click away from the run.
    """
    elsewhere = Rejected(
        403,
        "The request comes from another site.",
        Hint("Open this page by its own address, and repeat the action there."),
    )
    if request.all("origin") and request.one("origin") != origin:
        return elsewhere
    site = request.one("sec-fetch-site")
    if not request.all("sec-fetch-site") or site in ("same-origin", "none"):
        return None
    opened = request.method == "GET" and not request.websocket
    opened = opened and request.one("sec-fetch-mode") == "navigate"
    opened = opened and (not request.query or request.path == LOGIN)
    return None if opened and request.one("sec-fetch-dest") == "document" else elsewhere


def _malformed_rejection(request: Request) -> Rejected | None:
    """The rejection if nobody may send a request of this form, else None."""
    if request.websocket:
        return None
    if request.method in _READS:
        if request.path == _GRAPHQL and request.query:
            return Rejected(
                405,
                "GraphQL queries are not accepted by GET.",
                Hint("Send it as POST, with Content-Type: application/json."),
            )
        return None
    if request.method != "POST":
        return Rejected(405, "Only GET, HEAD and POST are accepted.", Hint("Send it as POST."))
    kind = request.one("content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        return Rejected(
            415, "The content of a POST must be JSON.", Hint("Send it with Content-Type: application/json.")
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether a Host names loopback itself, at any port; a DNS name that resolves to loopback does not."""
    return bool(_LOOPBACK.fullmatch(host.lower()))


def _login(request: Request, policy: RequestPolicy, origin: str) -> RequestVerdict:
    """A one-time link counts when a person opens it, not when a browser prefetches or a page embeds it."""
    prefetch = any(request.all(name) for name in _PREFETCH)
    destination = request.all("sec-fetch-dest")
    opened = request.method == "GET" and not request.websocket
    opened = opened and not prefetch and destination in ([], ["document"])
    if not opened:
        return Rejected(
            403, "This link works only in a browser window.", Hint("Open the link in a window of its own.")
        )
    token = _TOKEN.fullmatch(request.query)
    return LogIn(token[1], origin.startswith("https:"), _has_session(request, policy)) if token else USED


def _authenticate(request: Request, policy: RequestPolicy) -> RequestVerdict:
    """Whether the request carries a valid secret.

    Our own programs send theirs in a header that no page can make a browser send. A browser sends a cookie,
    and a proxy's password, by itself with any request; the earlier checks protect those.
    """
    bearer = request.one("authorization").removeprefix("Bearer ")
    proxied = bool(policy.proxy_secret) and _equal_secrets(request.one(PROXY), policy.proxy_secret)
    known = _equal_secrets(bearer, policy.secret) or proxied or _has_session(request, policy)
    return Allowed() if known else NO_SESSION


def session_cookie(policy: RequestPolicy, name: str) -> str:
    """A session cookie's value: a random `name` and its HMAC, which only this page's server can compute."""
    return f"{name}.{_signature(policy, name)}"


def _signature(policy: RequestPolicy, name: str) -> str:
    text = f"session {policy.page} {policy.port} {name}"
    return hmac.new(policy.secret.encode(), text.encode(), sha256).hexdigest()


def _has_session(request: Request, policy: RequestPolicy) -> bool:
    pairs = [value.partition(".") for value in _cookies(request, policy.cookie)]
    return any(name and _equal_secrets(signed, _signature(policy, name)) for name, _, signed in pairs)


def _cookies(request: Request, name: str) -> list[str]:
    """The values of a cookie. There may be several: a page at another port can add one of the same name."""
    pairs = [pair.strip().partition("=") for value in request.all("cookie") for pair in value.split(";")]
    return [value for key, _, value in pairs if key == name]


def _equal_secrets(given: str, expected: str) -> bool:
    """Compare in constant time. An empty secret equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def token_digest(token: str) -> str:
    """The SHA-256 of a link's token, in hexadecimal: the server stores this and not the token."""
    return sha256(token.encode()).hexdigest()


def served_origins(port: int, others: Sequence[str] = ()) -> dict[str, str]:
    """The served origins by Host: loopback's addresses with `port`, and the origins in `others`.

    An origin is written `https://host[:port]`; ValueError for anything else.
    """
    own = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    by_host: dict[str, str] = {}
    for address in (*own, *others):
        parts = _ORIGIN.fullmatch(address)
        if parts is None:
            raise ValueError(f"{address} is not an origin")
        scheme, host, port_text = parts.groups()
        number = int(port_text or _DEFAULT_PORTS[scheme])
        is_default = number == _DEFAULT_PORTS[scheme]
        origin = f"{scheme}://{host}" + ("" if is_default else f":{number}")
        for authority in {origin.partition("://")[2], f"{host}:{number}"}:
            by_host[authority] = origin
    return by_host
