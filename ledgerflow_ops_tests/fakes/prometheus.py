"""A real Prometheus on loopback that scrapes one address, with everything it keeps below a test's folder."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import sandboxes

_PATIENCE = 40.0


@dataclass(frozen=True)
class Prometheus:
    """One that runs, asked through its HTTP API."""

    address: str

    def get(self, path: str, **parameters: str) -> Any:
        """The answer's data; an AssertionError for a query that it refuses."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        found = self.get("query", query=expression)
        return list(found["result"])

    def value(self, expression: str) -> float:
        """The one value of a query that has one."""
        [sample] = self.query(expression)
        return float(sample["value"][1])

    def wait_for(self, expression: str) -> None:
        """Until a query has an answer."""
        answered = sandboxes.wait_until(lambda: bool(self.query(expression)), _PATIENCE)
        assert answered, f"{expression} never had an answer: {self.get('targets')}"

    def ready(self) -> bool:
        """Whether it answers queries: it listens before that, and says 503 to everybody."""
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=10):
                return True
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, target: str, rules: Path) -> Iterator[Prometheus]:
    """One that scrapes `target` (host:port) every second and knows those rules; it is gone afterwards."""
    program, port = needs.program("prometheus"), free_port()
    folder.mkdir()
    settings = folder / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: [{json.dumps(str(rules))}]\n"
        "scrape_configs:\n"
        f"  - {{job_name: ledgerflow, static_configs: [{{targets: [{json.dumps(target)}]}}]}}\n"
    )
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [program, *(f"--{name}={value}" for name, value in options.items())],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        sandboxes.wait_until(lambda: found.ready() or child.poll() is not None, _PATIENCE)
        assert child.poll() is None, (folder / "log").read_text()
        assert found.ready(), f"it is not ready: {(folder / 'log').read_text()}"
        yield found
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
