"""ASGI middleware that applies the decisions of `core.access.request_policy`."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.services.web_sessions import WebSessions
from ledgerflow_ops.adapters.system import clock, html_templates
from ledgerflow_ops.core.access import request_policy
from ledgerflow_ops.core.access.request_policy import (
    NO_SESSION,
    USED,
    Allowed,
    LogIn,
    Rejected,
    Request,
    RequestPolicy,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_SECRETS = (b"authorization", b"cookie", request_policy.PROXY.encode())
_OUR_HEADERS = (
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)
"""Headers of every response: no other site may frame it (clickjacking) or embed a part of it."""
_REFUSAL_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)
_COOKIE_AGE = 400 * 24 * 3600
"""Seconds: the longest time that browsers keep a cookie. It becomes invalid with the server's secret."""
PAGE = Path(__file__).with_name("templates") / "refused.html.j2"
"""The page for refused requests of a browser."""


class Guard:
    """The application `inner`, for requests that `policy` allows. `sessions` has the one-time links."""

    def __init__(self, inner: Application, policy: RequestPolicy, sessions: WebSessions) -> None:
        self._inner, self._policy, self._sessions = inner, policy, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        request = _read_request(scope)
        verdict = request_policy.judge_request(request, self._policy)
        if isinstance(verdict, LogIn):
            await self._log_in(verdict, request, send)
        elif isinstance(verdict, Rejected):
            await _reject(verdict, request, scope, send)
        else:
            assert isinstance(verdict, Allowed)
            inner = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in _SECRETS]}
            await self._inner(inner, receive, _with_our_headers(send))

    async def _log_in(self, verdict: LogIn, request: Request, send: Send) -> None:
        """Redirect to the page without the token in its URL, with a session cookie if the token was valid."""
        redeemed = self._sessions.redeem(verdict.token, clock.now())
        if not redeemed and not verdict.known:
            await _respond(send, USED.status, _response_text(USED, request), _content_type(request))
            return
        headers = [(b"location", b"/")]
        if redeemed:
            headers.append((b"set-cookie", self._cookie(secure=verdict.secure).encode()))
        await _respond(send, 303, "", "text/plain", *headers)

    def _cookie(self, *, secure: bool) -> str:
        value = request_policy.session_cookie(self._policy, secrets.token_urlsafe(16))
        rules = f"Path=/; HttpOnly; SameSite=Strict; Max-Age={_COOKIE_AGE}" + ("; Secure" if secure else "")
        return f"{self._policy.cookie}={value}; {rules}"


def _read_request(scope: Scope) -> Request:
    """The head of an ASGI request. Non-ASCII bytes are kept as Latin-1, and match nothing."""
    return Request(
        method=scope.get("method", "GET"),
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=[
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
        ],
        websocket=scope["type"] == "websocket",
    )


def _with_our_headers(send: Send) -> Send:
    """`send` with our headers in the response, replacing the application's own."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in _OUR_HEADERS}
            other_headers = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
            message = {**message, "headers": [*other_headers, *_OUR_HEADERS]}
        await send(message)

    return sent


async def _reject(verdict: Rejected, request: Request, scope: Scope, send: Send) -> None:
    words = _response_text(verdict, request)
    if not request.websocket:
        more = [(b"www-authenticate", b'Bearer realm="ledgerflow"')] if verdict.status == 401 else []
        await _respond(send, verdict.status, words, _content_type(request), *more)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await _respond(send, verdict.status, words, "text/plain", prefix="websocket.")
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": verdict.message})


def _content_type(request: Request) -> str:
    return "text/html" if "text/html" in request.one("accept") and not request.websocket else "text/plain"


def _response_text(verdict: Rejected, request: Request) -> str:
    """The text of a refusal for people. It repeats nothing of the request."""
    if _content_type(request) == "text/plain":
        return f"{verdict.message}\nhint: {verdict.hint}\n"
    again = verdict is NO_SESSION
    return html_templates.render(PAGE, message=verdict.message, hint=str(verdict.hint), again=again)


async def _respond(
    send: Send, status: int, words: str, kind: str, *more: tuple[bytes, bytes], prefix: str = ""
) -> None:
    body = words.encode()
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        *_OUR_HEADERS,
        *_REFUSAL_HEADERS,
        *more,
    ]
    await send({"type": f"{prefix}http.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": body})
