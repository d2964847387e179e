"""Receivers of alerts: a mail server and a web service on loopback, and services that accept none."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from ledgerflow_ops.adapters.cluster.cluster import free_port


@dataclass
class Web:
    """A web service that keeps what it is sent. `answer` is its code, `first` happens before it answers."""

    port: int = 0
    answer: int = 200
    first: Callable[[], object] = lambda: None
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As apprise's json:// has it, with a password and a token: secrets."""
        return f"json://owner:hunter2@127.0.0.1:{self.port}/t0ken"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/t0ken"

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The messages: title, message, type."""
        return [json.loads(body) for _, body in self.requests]

    @property
    def titles(self) -> list[str]:
        return [alert["title"] for alert in self.alerts]


@contextmanager
def web() -> Iterator[Web]:
    """The service, on a port of its own."""
    sink = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sink.requests.append((self.path, body))
            sink.first()
            self.send_response(sink.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - what the library calls it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # who asked is gone
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mail:
    """A mail server that keeps what it is sent."""

    port: int
    messages: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=ledger@books.example&to=owner@books.example"


@contextmanager
def mail() -> Iterator[Mail]:
    """The server, on a port of its own."""
    kept = Mail(free_port())

    class Keeping(Sink):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            kept.messages.append(message_from_bytes(envelope.content, policy=default))
            return "250 OK"

    controller = Controller(Keeping(), hostname="127.0.0.1", port=kept.port)
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a service that lets one in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"json://owner:hunter2@127.0.0.1:{server.getsockname()[1]}/t0ken?rto=1"


@contextmanager
def babbling() -> Iterator[str]:
    """The address of a service that answers, but not as the web does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(b"220 mail.example\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/t0ken"
        thread.join()


def refusing() -> str:
    """The URL of a service that is not there."""
    return f"json://owner:hunter2@127.0.0.1:{free_port()}/t0ken"


UNKNOWN = "json://owner:hunter2@nowhere.invalid/t0ken"
"""The URL of a service whose name does not resolve."""
