"""What a browser would ask of the web page, without one."""

import base64
import http.client
import json
import secrets
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str


def get(url: str, person: str = "", body: bytes | None = None, **headers: str) -> Answer:
    """GET, or POST a body, as a person written `name:password`, or as a program of ours: `Bearer …`."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=PATIENCE)
    try:
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        connection.request("POST" if body else "GET", path, body, {**_known(person), **headers})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


def answered(
    address: str, query: str, person: str = "", origin: str = "", **variables: Any
) -> dict[str, Any]:
    """The whole answer to a GraphQL query, sent as the page at the address sends it, or one at `origin`."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json", "Origin": origin or address}
    return dict(json.loads(get(f"{address}/graphql", person, body, **headers).text))


def asked(address: str, query: str, person: str = "", **variables: Any) -> dict[str, Any]:
    """The data of the answer to a GraphQL query."""
    found = answered(address, query, person, **variables)
    assert "errors" not in found, found
    return dict(found["data"])


def upgraded(address: str, path: str, person: str, origin: str = "") -> tuple[int, dict[str, Any]]:
    """Ask for a websocket and greet; the status, and the first message that comes back."""
    place = urlsplit(address)
    headers = {
        "Host": place.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "graphql-ws",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        **_known(person),
        **({"Origin": origin} if origin else {}),
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=PATIENCE) as line:
        line.sendall("\r\n".join(lines).encode())
        stream = line.makefile("rb")
        status = int(stream.readline().split()[1])
        while stream.readline().strip():
            pass
        if status != 101:
            return status, {}
        line.sendall(_frame(b'{"type": "connection_init", "payload": {}}'))
        length = stream.read(2)[1]
        return status, dict(json.loads(stream.read(length)))


def _frame(text: bytes) -> bytes:
    """A short text message as a client sends it (RFC 6455, section 5.2): final, masked."""
    mask = secrets.token_bytes(4)
    hidden = bytes(one ^ mask[index % 4] for index, one in enumerate(text))
    return bytes([0x81, 0x80 | len(text)]) + mask + hidden


def _known(person: str) -> dict[str, str]:
    if person.startswith("Bearer "):
        return {"Authorization": person}
    return {"Authorization": "Basic " + base64.b64encode(person.encode()).decode()} if person else {}
