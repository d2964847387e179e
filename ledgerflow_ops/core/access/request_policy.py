"""Which requests the web page's server carries out, and what it says to the others. Pure: no world in it.

Loopback keeps out other machines and nothing else: any web page can have a browser send requests there, and
any account of the machine can. So a request counts only when it was sent to an address that is served here
(DNS rebinding), when no other page had a part in it (Origin, Sec-Fetch-Site), when it gives its order in a
form that a page from elsewhere cannot send unasked, and when it knows a secret. Each of these is enough to
stop a page from elsewhere; all are asked.

Sources: RFC 9110 (section 7.2, Host; 9.2.1, safe methods), RFC 6265bis (SameSite, and that cookies do not
keep to a port), Fetch (Origin, the types of content that need no preflight), Fetch Metadata (Sec-Fetch-*).
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledgerflow_ops.core.hints import Hint, make

LOGIN = "/login"
"""Where a one-time link leads."""
PROXY = "x-ledgerflow-proxy"
"""The header in which a proxy in front says its secret."""
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
        """The values of a header, one for each time it was sent."""
        return [value.strip() for header, value in self.headers if header == name]

    def one(self, name: str) -> str:
        """A header's value; empty where there is none, and where there are two."""
        values = self.all(name)
        return values[0] if len(values) == 1 else ""


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """What a page's server serves, and whom it knows.

    `origins` has an address's origin by what browsers send as Host for it. `secret` is the server's own,
    which our own programs send; `proxy_secret` that of a proxy in front that asks for a password, or empty.
    """

    page: str
    port: int
    origins: Mapping[str, str]
    secret: str
    proxy_secret: str = ""

    @property
    def cookie(self) -> str:
        """The session cookie's name. Cookies do not keep to a port: without it two servers would take each
        other's place."""
        return f"ledgerflow_{self.page}_{self.port}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may be carried out."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """The request came by a link: if its token is good, it gets a session.

    `secure`: the cookie goes by TLS alone. `known`: there is a session already, whatever the token is worth.
    """

    token: str
    secure: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is not carried out: an HTTP status, what was wrong, and what to do."""

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
    """What becomes of a request."""
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
    """Why the request is another page's doing.

    A browser names the origin of every websocket (RFC 6455, section 4.1) and of every POST (Fetch); without
    one they come from a program, which has no cookies but those it was given. A plain GET has none.

    A link in another page may lead here, but not with anything after the question mark: the launchpad takes
    a whole run config from there, the environment's name in it, and is then one click away from the run.
    """
    elsewhere = Rejected(
        403,
        "The request comes from another page.",
        Hint("Open this page by its own address, and do it there."),
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
    """Why the request's form is one that is not taken from anybody."""
    if request.websocket:
        return None
    if request.method in _READS:
        if request.path == _GRAPHQL and request.query:
            return Rejected(
                405,
                "A GET carries out no query.",
                Hint("Send it as POST, with Content-Type: application/json."),
            )
        return None
    if request.method != "POST":
        return Rejected(405, "GET, HEAD and POST are served, nothing else.", Hint("Send it as POST."))
    kind = request.one("content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        return Rejected(
            415, "A POST's content has to be JSON.", Hint("Send it with Content-Type: application/json.")
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether a Host is loopback's own name, at any port, and none that somebody has made lead here."""
    return bool(_LOOPBACK.fullmatch(host.lower()))


def _login(request: Request, policy: RequestPolicy, origin: str) -> RequestVerdict:
    """A link is used by a person who opens it, not by a browser that looks ahead or a page that embeds it."""
    ahead = any(request.all(name) for name in _PREFETCH)
    destination = request.all("sec-fetch-dest")
    opened = request.method == "GET" and not request.websocket
    opened = opened and not ahead and destination in ([], ["document"])
    if not opened:
        return Rejected(403, "A link is opened in a window.", Hint("Open it there."))
    token = _TOKEN.fullmatch(request.query)
    return LogIn(token[1], origin.startswith("https:"), _has_session(request, policy)) if token else USED


def _authenticate(request: Request, policy: RequestPolicy) -> RequestVerdict:
    """Whether it knows a secret.

    Our own programs send theirs in a header that no page can have a browser send. A cookie, and a password
    that a proxy asks for, a browser sends by itself; the checks before this one are for those.
    """
    bearer = request.one("authorization").removeprefix("Bearer ")
    proxied = bool(policy.proxy_secret) and _equal_secrets(request.one(PROXY), policy.proxy_secret)
    known = _equal_secrets(bearer, policy.secret) or proxied or _has_session(request, policy)
    return Allowed() if known else NO_SESSION


def session_cookie(policy: RequestPolicy, name: str) -> str:
    """A session cookie's value: a random `name`, and what only this page's server can make of it."""
    return f"{name}.{_signature(policy, name)}"


def _signature(policy: RequestPolicy, name: str) -> str:
    text = f"session {policy.page} {policy.port} {name}"
    return hmac.new(policy.secret.encode(), text.encode(), sha256).hexdigest()


def _has_session(request: Request, policy: RequestPolicy) -> bool:
    pairs = [value.partition(".") for value in _cookies(request, policy.cookie)]
    return any(name and _equal_secrets(signed, _signature(policy, name)) for name, _, signed in pairs)


def _cookies(request: Request, name: str) -> list[str]:
    """The values of a cookie. A page at another port can add one of the same name, and none takes another's
    place."""
    pairs = [pair.strip().partition("=") for value in request.all("cookie") for pair in value.split(";")]
    return [value for key, _, value in pairs if key == name]


def _equal_secrets(given: str, expected: str) -> bool:
    """Compare in a time that does not tell how much was right. An empty secret is nobody's."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def token_digest(token: str) -> str:
    """What is kept of a link's token: it does not lead back to it."""
    return sha256(token.encode()).hexdigest()


def served_origins(port: int, others: Sequence[str] = ()) -> dict[str, str]:
    """By Host: loopback's addresses with `port`, and the `others`, which are origins (https://host[:port]).

    ValueError for one that is none.
    """
    own = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    by_host: dict[str, str] = {}
    for address in (*own, *others):
        parts = _ORIGIN.fullmatch(address)
        if parts is None:
            raise ValueError(f"{address} is no origin")
        scheme, host, port_of = parts.groups()
        number = int(port_of or _DEFAULT_PORTS[scheme])
        plain = number == _DEFAULT_PORTS[scheme]
        origin = f"{scheme}://{host}" + ("" if plain else f":{number}")
        for authority in {origin.partition("://")[2], f"{host}:{number}"}:
            by_host[authority] = origin
    return by_host
