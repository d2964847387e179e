"""Starts and stops our background servers, and remembers their process and address."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ledgerflow_ops.adapters.cluster.cluster import wait_for_end
from ledgerflow_ops.adapters.system import private_files, process, regular_files
from ledgerflow_ops.places import working_folder

_GRACE = 15.0


def servers_folder(state_dir: Path) -> Path:
    """The folder of the servers' records, logs and secrets."""
    return private_files.make_private_folder(state_dir, "servers")


@dataclass(frozen=True, slots=True)
class Server:
    """One of our background servers: its record, and whether it still runs."""

    name: str
    state_dir: Path

    @property
    def record_file(self) -> Path:
        return self.state_dir / "servers" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.state_dir / "servers" / f"{self.name}.log"

    def remembered(self) -> dict[str, Any]:
        try:
            return regular_files.read_json(self.record_file)
        except (OSError, ValueError):
            return {}

    @property
    def address(self) -> str:
        """The recorded address that it answers at; empty when it was not started."""
        return str(self.remembered().get("address", ""))

    def running(self) -> psutil.Process | None:
        """The process, if it is the one that we started (same id, same start time); else None."""
        facts = self.remembered()
        try:
            server_process = psutil.Process(int(facts["pid"]))
            same = abs(server_process.create_time() - float(facts["started"])) < 1
            return server_process if same and server_process.status() != psutil.STATUS_ZOMBIE else None
        except (KeyError, ValueError, psutil.Error):
            return None

    def start(self, command: list[str], variables: dict[str, str], address: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, with the default signals, and record it."""
        self.stop()  # children of a server that was killed
        servers_folder(self.state_dir)
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            os.fchmod(log.fileno(), 0o600)
            child = process.start_program(
                [sys.executable, "-c", _LAUNCHER, *command],
                extra=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=working_folder(),
            )
        started = psutil.Process(child.pid).create_time()
        facts = {"pid": child.pid, "started": started, "address": address, "command": command}
        private_files.write_private(self.record_file, json.dumps(facts))
        return child

    def listens(self, port: int) -> bool:
        """Whether this process, and not another program, listens on `port`."""
        running = self.running()
        try:
            lines = running.net_connections("inet") if running else []
        except psutil.Error:
            return False
        return any(line.status == psutil.CONN_LISTEN and line.laddr.port == port for line in lines)

    def stop(self) -> bool:
        """End it and its children; returns whether it was running."""
        running, session = self.running(), self._session()
        if running:
            running.send_signal(signal.SIGTERM)
            if not wait_for_end(running, _GRACE):
                running.kill()
        for left in session:
            # Without its server, a code server would run until it misses the heartbeat.
            if not running:
                left.terminate()
            if not wait_for_end(left, _GRACE):
                left.kill()
        self.record_file.unlink(missing_ok=True)
        return running is not None

    def _session(self) -> list[psutil.Process]:
        """The server's children, which share its session, also after the server itself was killed.

        After a boot the session's id may belong to others: ours have our Dagster home in their environment.
        """
        leader, home = self.remembered().get("pid"), str(self.state_dir / "dagster")
        return [
            child
            for child in psutil.process_iter()
            if child.pid != leader and _is_in_session(child, leader, home)
        ]


def _is_in_session(child: psutil.Process, session: object, home: str) -> bool:
    try:
        return os.getsid(child.pid) == session and child.environ().get("DAGSTER_HOME") == home
    except (OSError, psutil.Error):
        return False


_LAUNCHER = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.umask(0o077)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Resets signals and umask before the program begins.

A process that a shell starts in the background inherits an ignored SIGINT; Dagster then ignores SIGTERM too.
Dagster's code servers listen on sockets in the temporary folder and obey whoever may write to them, so the
umask keeps others out."""
