"""Starts a server's postmaster and waits until it accepts connections.

`pg_ctl start -w` does the same, but asks only every 100 ms, which is longer than a drill's server takes, and
starts three programs before the server.
"""

import os
import time
from pathlib import Path

import psutil

from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make

POLL = 0.005
"""Seconds between two looks at a server that starts or stops."""

_DETACHED = 'log=$1; shift; umask 077; "$@" </dev/null >>"$log" 2>&1 & echo $!'
"""A shell that starts the server in the background, prints its process, and ends. The server is then nobody's
child, as after pg_ctl: it outlives us, and an interrupt never kills it by SIGKILL."""

_STATUS_LINE = 8
_ACCEPTING = ("ready", "standby")
"""The line of postmaster.pid with the server's status, and the statuses in which `pg_ctl -w` stops waiting
(LOCK_FILE_LINE_PM_STATUS in miscadmin.h, pidfile.h)."""


def start_server(tools: Tools, data: Path, log: Path, account: Account | None, timeout: float) -> None:
    """Start the server in `data`; its output is appended to `log`.

    LedgerError if it ends instead, or does not accept connections within `timeout` seconds; it then still
    runs.
    """
    command: list[str | Path] = ["/bin/sh", "-c", _DETACHED, "sh", log, tools.path("postgres"), "-D", data]
    extra = {**tools.libraries, "PG_GRANDPARENT_PID": str(os.getpid())}  # see CreateLockFile in miscinit.c
    started = process.run(command, extra=extra, account=account, cwd="/")
    if not started.out.strip().isdigit():
        raise _failure(data, f"could not be started:\n{process.last_lines(started.errors)}")
    pid, waited = int(started.out), 0.0
    while not _accepts(data, pid):
        if _has_ended(pid):
            raise _failure(data, "ended while it started.")
        if waited >= timeout:
            raise _failure(data, f"does not accept connections after {timeout:.0f} s (process {pid}).")
        time.sleep(POLL)
        waited += POLL


def _accepts(data: Path, pid: int) -> bool:
    """Whether the server with this process accepts connections, by its postmaster.pid."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    if len(lines) < _STATUS_LINE or lines[0] != str(pid):
        return False
    return lines[_STATUS_LINE - 1].strip() in _ACCEPTING


def _has_ended(pid: int) -> bool:
    """Whether no such process runs. A zombie has ended, too: init may be slow to reap it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _failure(data: Path, what: str) -> LedgerError:
    return LedgerError(
        f"The server in {data} {what}",
        hint=Hint(f"Check the free space on the disk of {data}: ", make("doctor"), " shows it."),
    )
