"""deploy/serve.py: what arrives at the container's address goes on to the page on the loopback, and back."""

import importlib.util
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from ledgerflow_ops.places import PROJECT

_OUTSIDE = "127.0.0.2"
"""An address of this machine in place of the container's."""


@dataclass(frozen=True)
class Forwarding:
    """A page that sends back what it gets once its input has ended, and the program in front of it."""

    page: socket.socket
    port: int

    def connect(self) -> socket.socket:
        """A connection from outside; waits until the program listens."""
        while True:
            with suppress(ConnectionRefusedError):
                return socket.create_connection((_OUTSIDE, self.port), timeout=60)


@pytest.fixture
def forwarding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forwarding]:
    with socket.create_server(("127.0.0.1", 0)) as page:
        port = page.getsockname()[1]
        monkeypatch.setenv("LEDGER_WEB_PORT", str(port))
        monkeypatch.setenv("LEDGER_STATE_DIR", "/nowhere")
        serve = _program()
        threading.Thread(target=serve.forward, args=(_OUTSIDE,), daemon=True).start()
        yield Forwarding(page, port)


def _program() -> Any:
    """deploy/serve.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("serve", PROJECT / "deploy" / "serve.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _echo(page: socket.socket) -> None:
    """Answer one connection: all that came, once the other side has ended its input."""
    came, _ = page.accept()
    with came:
        came.sendall(received(came))


def received(connection: socket.socket) -> bytes:
    """All bytes until the other side ends its output."""
    data = bytearray()
    while chunk := connection.recv(65536):
        data += chunk
    return bytes(data)


def test_all_bytes_arrive_both_ways_after_one_side_has_ended(forwarding: Forwarding) -> None:
    sent = os.urandom(5_000_000)
    threading.Thread(target=_echo, args=(forwarding.page,), daemon=True).start()
    with closing(forwarding.connect()) as outside:
        outside.sendall(sent)
        outside.shutdown(socket.SHUT_WR)
        assert received(outside) == sent


def test_connections_are_served_at_the_same_time(forwarding: Forwarding) -> None:
    """The page keeps a connection of an open browser for as long as it is open."""
    with closing(forwarding.connect()) as idle:
        first, _ = forwarding.page.accept()
        with first:
            threading.Thread(target=_echo, args=(forwarding.page,), daemon=True).start()
            with closing(forwarding.connect()) as second:
                second.sendall(b"second")
                second.shutdown(socket.SHUT_WR)
                assert received(second) == b"second"
            idle.sendall(b"first")
            assert first.recv(5) == b"first"


def test_without_a_page_a_connection_is_closed_and_the_next_one_served(forwarding: Forwarding) -> None:
    forwarding.page.close()
    for _ in range(2):
        with closing(forwarding.connect()) as outside:
            assert outside.recv(1) == b""
