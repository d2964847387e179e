"""A PostgreSQL cluster of our own: made, started, stopped, removed."""

import contextlib
import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import own
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make

_START_TIMEOUT = 60
_LOG_LINES = 20
_POLL = 0.005
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder with the programs and the account that run it."""

    data: Path
    tools: Tools
    account: Account | None

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def made(self) -> bool:
        """Whether initdb has finished here (it writes this file at the very end)."""
        return (self.data / "made").exists()

    def make(self, superuser: str, *, encoding: str, options: Mapping[str, str], password: str = "") -> None:
        """initdb with further `options`; an empty password means trust (private sockets)."""
        shutil.rmtree(self.data, ignore_errors=True)
        own(self.account, self.data.parent)
        words = [f"--{name}={value}" if value else f"--{name}" for name, value in options.items()]
        words += [f"--encoding={encoding}", "--no-sync", "--no-instructions", f"--username={superuser}"]
        with process.unnamed_file(password.encode(), self.account) as file:
            words += ["--pwfile=/dev/stdin", "--auth=scram-sha-256"] if password else ["--auth=trust"]
            self._run("initdb", "-D", self.data, *words, stdin=file)
        (self.data / "made").touch(mode=0o600)
        self._allow(self.data / "made")  # a base backup reads every file in there

    def start(self, settings: Mapping[str, str]) -> None:
        """Start the server with `settings` and wait until it takes connections."""
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        (self.data / "ledgerflow.conf").write_text("\n".join(lines) + "\n")
        self._allow(self.data / "ledgerflow.conf")
        configuration = self.data / "postgresql.conf"
        include = "\ninclude 'ledgerflow.conf'\n"
        if include not in configuration.read_text():
            with configuration.open("a") as file:
                file.write(include)
        try:
            self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", _START_TIMEOUT, "-s", "start")
        except LedgerError as error:
            raise LedgerError(f"{error.message}\n{self.last_log_lines()}", hint=error.hint) from None

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server and wait; nothing when it does not run. `at_once` for what is thrown away."""
        postmaster = self.postmaster()
        if postmaster is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        if at_once:
            _awaken(postmaster)
        if not ended(postmaster, _START_TIMEOUT):
            raise LedgerError(
                f"The server in {self.data} does not stop (process {postmaster.pid}).",
                hint=Hint("Its log says why; ", make("down"), " tries again."),
            )

    def remove(self) -> None:
        """Stop the server and remove its data folder."""
        self.stop(at_once=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def postmaster(self) -> psutil.Process | None:
        """The server's process if it runs: the one its pid file names *and* that works in this folder."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            found = psutil.Process(pid)
            return found if Path(found.cwd()) == self.data.resolve() else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        except psutil.AccessDenied:
            return None

    def last_log_lines(self) -> str:
        """The end of the server's log, for an error message."""
        try:
            return process.last_lines(
                "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
            )
        except OSError:
            return ""

    def _allow(self, file: Path) -> None:
        file.chmod(0o600)
        if self.account:
            os.chown(file, self.account.uid, self.account.gid)

    def _run(self, name: str, *arguments: object, stdin: IO[bytes] | int = subprocess.DEVNULL) -> None:
        """Run one of the server's programs as the account."""
        finished = process.run(
            [self.tools.path(name), *(str(argument) for argument in arguments)],
            extra=self.tools.libraries,
            account=self.account,
            cwd="/",
            timeout=_START_TIMEOUT * 2,
            stdin=stdin,
        )
        if finished.code:
            raise LedgerError(
                f"{name} failed ({process.ended_by(finished.code)}):\n{process.last_lines(finished.errors)}",
                hint=Hint(f"Is there room on the disk of {self.data}? ", make("doctor"), " shows it."),
            )


def _awaken(postmaster: psutil.Process) -> None:
    """Let a server that somebody has stopped (SIGSTOP) go on, and so hear what it was told."""
    with contextlib.suppress(psutil.Error):
        for one in (postmaster, *postmaster.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                one.resume()


def ended(process: psutil.Process, timeout: float) -> bool:
    """Wait until a process has ended, for at most `timeout` seconds; whether it has.

    A daemon's parent is init, which may be slow to reap it: a zombie has ended as well.
    """
    waited = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if waited >= timeout:
                return False
            time.sleep(_POLL)
            waited += _POLL
    return True


def free_port() -> int:
    """A TCP port on loopback that is free at this moment."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen at that TCP port on loopback, also where that has IPv6's address."""
    try:
        for line in listening(port):
            line.close()
    except OSError:
        return False
    return port > 0


def listening(port: int) -> list[socket.socket]:
    """Sockets that listen at that TCP port of 127.0.0.1, and of ::1 where the machine has it.

    Browsers try ::1 first for `localhost`: another account that listens there would answer in our name.
    OSError when one of them is taken.
    """
    found = [socket.create_server(("127.0.0.1", port))]
    try:
        found.append(socket.create_server(("::1", port), family=socket.AF_INET6))
    except OSError as error:
        if error.errno not in _NO_IPV6:
            found[0].close()
            raise
    return found


def new_password() -> str:
    return secrets.token_urlsafe(24)
