"""Exposes metrics to Prometheus: as text, as a file for node_exporter's textfile collector, over HTTP."""

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
from ledgerflow_ops.core.hints import Hint, command

Families = Callable[[], Iterable[Metric]]
"""Returns the current metrics."""


class _CurrentMetrics(Collector):
    """Reads the metrics at every scrape; nothing is cached."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        return ()  # otherwise the registry would collect once to get the names


def _registry(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_CurrentMetrics(families))
    return registry


def render_metrics(families: Families) -> str:
    """The metrics in Prometheus' text exposition format."""
    return generate_latest(_registry(families)).decode()


def write_textfile(file: Path, families: Families) -> None:
    """Write the metrics atomically to a file with mode 0644. LedgerError for a wrong path."""
    if file.suffix != ".prom":
        raise LedgerError(f"{file} does not end in .prom.", hint=Hint("node_exporter reads no other file."))
    if not file.parent.is_dir():
        raise LedgerError(
            f"{file.parent} is not a folder.",
            hint=Hint(command("mkdir", "-p", file.parent), "; or name another file."),
        )
    with translated(file):
        write_to_textfile(str(file), _registry(families))
        file.chmod(0o644)


def serve_metrics(port: int, families: Families, report: Callable[[str], None]) -> None:
    """Answer scrapes on loopback until the process is interrupted; `report` gets the URL.

    Port 0 means any free port. LedgerError if the port is taken.
    """
    try:
        server = wsgiref.simple_server.make_server(
            "127.0.0.1", port, _loopback_only(make_wsgi_app(_registry(families))), _Server, _SilentHandler
        )
    except OSError as error:
        raise LedgerError(
            f"127.0.0.1:{port} cannot be used: {error.strerror}.", hint=Hint("Give another PORT.")
        ) from None
    report(f"http://127.0.0.1:{server.server_port}/metrics")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


class _Server(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """One daemon thread for each request."""

    daemon_threads = True


class _SilentHandler(wsgiref.simple_server.WSGIRequestHandler):
    """Logs no line for a scrape."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _loopback_only(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The WSGI application `inner`, only for requests whose Host header names this machine: a web page could
    otherwise read the metrics by DNS rebinding."""

    def answered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if is_loopback(environ.get("HTTP_HOST", "")):
            return inner(environ, start)
        start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"This host name is not served here: use 127.0.0.1.\n"]

    return answered
