"""A real daemon and a real web page over real storage, that can be killed at any moment and started again."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops_tests.defs.benches import Bench

PROJECT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")


@dataclass
class Servers:
    """The servers of one bench, and the settings that they load."""

    bench: Bench
    variables: dict[str, str]
    workspace: Path
    address: str = ""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> None:
        """Start a server in a session of its own."""
        with (self.bench.root / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                env=self.variables,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def daemon(self) -> None:
        module = "ledgerflow_ops.defs.daemon"
        self.start("daemon", sys.executable, "-m", module, "--workspace", str(self.workspace))

    def webserver(self) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        program = str(Path(sys.executable).parent / "dagster-webserver")
        self.start("webserver", program, "-h", "127.0.0.1", "-p", str(port), "-w", str(self.workspace))
        self.wait_for(self._answers, "the web page answers")

    def kill(self, name: str, *, family: bool) -> None:
        """SIGKILL the server; with `family` all that it has started as well, as a power cut does."""
        child = self.running.pop(name)
        left = _session(child.pid) if family else []
        child.kill()
        child.wait()
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer of the web page's GraphQL."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.address}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    def wait_for(self, look: Callable[[], Found | None], what: str) -> Found:
        """The result of `look` once it is not falsy; AssertionError with the logs after 180 seconds."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.3)
        logs = [f"{file.name}:\n{file.read_text()[-3000:]}" for file in self.bench.root.glob("*.log")]
        raise AssertionError(f"never: {what}\n" + "\n".join(logs))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/server_info", timeout=5):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        for child in self.running.values():
            left = _session(child.pid)
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            _, stubborn = psutil.wait_procs(left, timeout=10)
            for process in stubborn:
                with suppress(psutil.Error):
                    process.kill()
        for process in _of_home(self.variables["DAGSTER_HOME"]):
            with suppress(psutil.Error):
                process.kill()


def _session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != leader and os.getsid(process.pid) == leader:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def _of_home(home: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("DAGSTER_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def servers(bench: Bench, settings: str, **variables: str) -> Iterator[Servers]:
    """Servers that load `settings` (TOML); none of them is left afterwards."""
    file, workspace = bench.root / "ledgerflow.toml", bench.root / "workspace.yaml"
    file.write_text(settings)
    workspace.write_text(
        "load_from:\n  - python_module:\n      module_name: ledgerflow_ops_tests.defs.quick\n"
        "      location_name: ledgerflow_ops\n"
    )
    plain = bench.settings()
    found = Servers(
        bench,
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "HOME": str(bench.root),
            "LANG": "C.UTF-8",
            "LEDGER_CONFIG": str(file),
            "LEDGER_STATE_DIR": str(plain.state_dir),
            "LEDGER_BACKUP_ROOT": str(plain.backup_root),
            **dagster_home.dagster_variables(plain.state_dir, PROJECT, bench.storage.sqlalchemy_url()),
            **variables,
        },
        workspace,
    )
    try:
        yield found
    finally:
        found.stop()
