"""Starts and stops the web pages, the daemon, and what answers Prometheus."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import psutil

from ledgerflow_ops.adapters import instance, process, webpage
from ledgerflow_ops.adapters.cluster import ended, free_port, is_free
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations import channels
from ledgerflow_ops.operations.desk import Desk
from ledgerflow_ops.operations.embedded import storage
from ledgerflow_ops.places import PROJECT

_PATIENCE = 90.0
_GRACE = 15.0
_NAMES = ("webserver", "daemon", "metrics", "viewers")
_LOCATION = "ledgerflow_ops"
_WORKSPACE = str(PROJECT / "workspace.yaml")


@dataclass(frozen=True, slots=True)
class Server:
    """One of our servers: what is remembered of it, and whether it still runs."""

    name: str
    state_dir: Path

    @property
    def note(self) -> Path:
        return self.state_dir / "servers" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.state_dir / "servers" / f"{self.name}.log"

    def remembered(self) -> dict[str, str | int | float]:
        try:
            return dict(json.loads(self.note.read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def address(self) -> str:
        """Where it answers, as remembered; empty when it was not started."""
        return str(self.remembered().get("address", ""))

    def running(self) -> psutil.Process | None:
        """The process, if it is the one we started: same id, same start time."""
        facts = self.remembered()
        try:
            found = psutil.Process(int(facts["pid"]))
            same = abs(found.create_time() - float(facts["started"])) < 1
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except (KeyError, ValueError, psutil.Error):
            return None

    def start(self, command: list[str], variables: dict[str, str], address: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, with the default signals, and remember it."""
        self.stop()  # what a killed one has left behind
        self.note.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = process.popen(
                [sys.executable, "-c", _LAUNCH, *command],
                extra=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=PROJECT,
            )
        facts = {"pid": child.pid, "started": psutil.Process(child.pid).create_time(), "address": address}
        self.note.write_text(json.dumps(facts))
        return child

    def stop(self) -> bool:
        """End it and what it started; whether it was running."""
        found, session = self.running(), self._session()
        if found:
            found.send_signal(signal.SIGTERM)
            if not ended(found, _GRACE):
                found.kill()
        for left in session:
            # Without its server a code server would go on until it misses the heartbeat.
            if not found:
                left.terminate()
            if not ended(left, _GRACE):
                left.kill()
        self.note.unlink(missing_ok=True)
        return found is not None

    def _session(self) -> list[psutil.Process]:
        """What the server has started, also where it has been killed itself: they share its session.

        After a boot the session's number may be somebody else's: ours know our Dagster home.
        """
        leader, home = self.remembered().get("pid"), str(self.state_dir / "dagster")
        return [
            found for found in psutil.process_iter() if found.pid != leader and _is_in(found, leader, home)
        ]


def _is_in(found: psutil.Process, session: object, home: str) -> bool:
    try:
        return os.getsid(found.pid) == session and found.environ().get("DAGSTER_HOME") == home
    except (OSError, psutil.Error):
        return False


_LAUNCH = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Started in the background by a shell, a process inherits an ignored SIGINT, and Dagster then ignores
SIGTERM as well: the signals are set back before it begins."""


def up(desk: Desk) -> str:
    """Start what does not run yet, wait until the web page answers, and return its address.

    SettingsError when an alert channel cannot be used: a daemon that can tell nobody is not started.
    """
    channels.require(desk.settings)
    with _alone(desk.settings.state_dir):
        return _up(desk)


def _up(desk: Desk) -> str:
    webserver, daemon, metrics, viewers = (Server(name, desk.settings.state_dir) for name in _NAMES)
    variables = _variables(desk)
    if not daemon.running():
        daemon.start([_program("dagster-daemon"), "run", "-w", _WORKSPACE], variables, "")
    _page(webserver, variables, desk.settings.web_port, "web_port")
    if desk.settings.viewers_port:
        _page(viewers, variables, desk.settings.viewers_port, "viewers_port", "--read-only")
    elif viewers.remembered():
        viewers.stop()  # a page that has been taken out of the settings
    if not metrics.running():
        port = _usual_port(desk.settings.state_dir)
        metrics.start(
            [_program("ledgerflow"), "metrics", "--serve", "--port", str(port)],
            {"DAGSTER_HOME": variables["DAGSTER_HOME"]},  # by which it is known as ours
            f"http://127.0.0.1:{port}/metrics",
        )
    address = webserver.address
    _wait(f"{address}/server_info", webserver, daemon)
    _wait(metrics_address(desk), metrics)
    if desk.settings.viewers_port:
        _wait(f"{viewers_address(desk)}/server_info", viewers)
    return address


def viewers_address(desk: Desk) -> str:
    """Where viewers look, who can launch and change nothing; empty where there is no page for them."""
    return Server("viewers", desk.settings.state_dir).address


def reload(desk: Desk) -> bool:
    """Let the web pages show the days as they are now; whether the page did. Quiet when none runs.

    A page knows the partitions of the moment in which it last read the definitions. The viewers' page takes
    no orders, this one neither: it is started again at the same place.
    """
    with _alone(desk.settings.state_dir):
        webserver, viewers = (Server(name, desk.settings.state_dir) for name in ("webserver", "viewers"))
        if viewers.running():
            port = int(viewers.address.rpartition(":")[2])
            _start_page(viewers, _variables(desk), port, "--read-only")
        address = webserver.address if webserver.running() else ""
    return bool(address) and webpage.reload(address, _LOCATION)


def _variables(desk: Desk) -> dict[str, str]:
    return dict(instance.variables(desk.settings.state_dir, PROJECT, storage(desk.settings)))


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _port(wanted: int | None, setting: str) -> int:
    """The port that the setting names, or any; LedgerError when somebody else has it."""
    if wanted and not is_free(wanted):
        raise LedgerError(
            f"Port {wanted} on 127.0.0.1 is taken by another program.",
            hint=f"Set another {setting}, or find the program: lsof -i :{wanted}",
        )
    return wanted or free_port()


def _page(page: Server, variables: dict[str, str], wanted: int | None, setting: str, *options: str) -> None:
    """Let the page run where `setting` wants it; one that runs at another port moves."""
    here = wanted is None or page.address.endswith(f":{wanted}")
    if not page.running() or not here:
        _start_page(page, variables, _port(wanted, setting), *options)


def _start_page(page: Server, variables: dict[str, str], port: int, *options: str) -> None:
    words = ["-h", "127.0.0.1", "-p", str(port), "-w", _WORKSPACE, *options]
    page.start([_program("dagster-webserver"), *words], variables, f"http://127.0.0.1:{port}")


def metrics_address(desk: Desk) -> str:
    """Where Prometheus finds the figures; empty where they are not served."""
    return Server("metrics", desk.settings.state_dir).address


def _usual_port(state_dir: Path) -> int:
    """The port that the figures had last time, if it is free: Prometheus is told it once."""
    note = state_dir / "servers" / "metrics.port"
    try:
        port = int(note.read_text())
    except (OSError, ValueError):
        port = 0
    if not is_free(port):
        port = free_port()
        note.write_text(str(port))
    return port


def down(desk: Desk) -> list[str]:
    """Stop the web page, the daemon and the embedded server; the names of what was running."""
    with _alone(desk.settings.state_dir):
        servers = [Server(name, desk.settings.state_dir) for name in _NAMES]
        stopped = [server.name for server in servers if server.stop()]
        if desk.embedded.stop():
            stopped.append("embedded PostgreSQL")
    return stopped


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """One `up` or `down` at a time: two at once would each start a daemon, and one would be forgotten."""
    folder = state_dir / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "lock", mode=0o600):
        yield


def _wait(address: str, *servers: Server) -> None:
    """Until the first server answers at `address`; LedgerError with the log's end when one dies first."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        for server in servers:
            if server.running() is None:
                tail = process.last_lines(server.log.read_text(errors="replace"))
                raise LedgerError(f"The {server.name} ended at once:\n{tail}", hint=f"See {server.log}")
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise LedgerError(f"The {servers[0].name} at {address} does not answer.", hint=f"See {servers[0].log}")
