"""Hands figures to Prometheus: as text, as a file for node_exporter's textfile collector, over HTTP."""

import contextlib
import wsgiref.simple_server
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app, write_to_textfile
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.access.request_policy import is_loopback
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

Families = Callable[[], Iterable[Metric]]
"""Reads the figures as they are now."""


class _Fresh(Collector):
    """Asks anew at every scrape; nothing is remembered in between."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry would scrape once to learn the names


def _registry(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Fresh(families))
    return registry


def text(families: Families) -> str:
    """The figures in Prometheus' text format."""
    return generate_latest(_registry(families)).decode()


def textfile(file: Path, families: Families) -> None:
    """Write them to a file that others may read. It takes its name when it is whole."""
    if file.suffix != ".prom":
        raise LedgerError(f"{file} does not end in .prom.", hint=Hint("node_exporter reads no other file."))
    if not file.parent.is_dir():
        raise LedgerError(f"{file.parent} is no folder.", hint=Hint("Make it, or name another by TEXTFILE="))
    with translated(file):
        write_to_textfile(str(file), _registry(families))
        file.chmod(0o644)


def serve(port: int, families: Families, tell: Callable[[str], None]) -> None:
    """Answer scrapes on loopback until the process is asked to end; `tell` is given the address.

    Port 0 is any that is free. LedgerError when the port is taken.
    """
    try:
        server = wsgiref.simple_server.make_server(
            "127.0.0.1", port, _named(make_wsgi_app(_registry(families))), _Server, _Silent
        )
    except OSError as error:
        raise LedgerError(
            f"127.0.0.1:{port} cannot be listened at: {error.strerror}.", hint=Hint("Give another PORT.")
        ) from None
    tell(f"http://127.0.0.1:{server.server_port}/metrics")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


class _Server(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """A thread for each request, which does not hold up the end."""

    daemon_threads = True


class _Silent(wsgiref.simple_server.WSGIRequestHandler):
    """No line for each scrape."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _named(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The application `inner`, for requests that name this machine: a page whose name was made to lead here
    (DNS rebinding) would read the figures otherwise."""

    def answered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if is_loopback(environ.get("HTTP_HOST", "")):
            return inner(environ, start)
        start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"This address is not served here: ask 127.0.0.1.\n"]

    return answered
