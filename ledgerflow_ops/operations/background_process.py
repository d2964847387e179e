"""A program of ours that goes on in the background: what is remembered of it, starting and ending it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ledgerflow_ops.adapters.cluster.cluster import ended
from ledgerflow_ops.adapters.system import private_files, process, regular_files
from ledgerflow_ops.places import PROJECT

_GRACE = 15.0


def servers_folder(state_dir: Path) -> Path:
    """Where the servers' notes, logs and secrets are."""
    return private_files.folder(state_dir, "servers")


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

    def remembered(self) -> dict[str, Any]:
        try:
            return regular_files.fields(self.note)
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
        servers_folder(self.state_dir)
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            os.fchmod(log.fileno(), 0o600)
            child = process.popen(
                [sys.executable, "-c", _LAUNCHER, *command],
                extra=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=PROJECT,
            )
        started = psutil.Process(child.pid).create_time()
        facts = {"pid": child.pid, "started": started, "address": address, "command": command}
        private_files.write(self.note, json.dumps(facts))
        return child

    def listens(self, port: int) -> bool:
        """Whether it is this very process that takes connections at `port`, and nobody who was faster."""
        found = self.running()
        try:
            lines = found.net_connections("inet") if found else []
        except psutil.Error:
            return False
        return any(line.status == psutil.CONN_LISTEN and line.laddr.port == port for line in lines)

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
            found
            for found in psutil.process_iter()
            if found.pid != leader and _is_in_session(found, leader, home)
        ]


def _is_in_session(found: psutil.Process, session: object, home: str) -> bool:
    try:
        return os.getsid(found.pid) == session and found.environ().get("DAGSTER_HOME") == home
    except (OSError, psutil.Error):
        return False


_LAUNCHER = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.umask(0o077)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Started in the background by a shell, a process inherits an ignored SIGINT, and Dagster then ignores
SIGTERM as well: the signals are set back before it begins.

The umask is ours: Dagster's code servers listen at sockets in the folder for temporary files, and carry out
whatever they are sent by whoever may write there."""
