"""Creates, starts, stops and removes a PostgreSQL cluster of our own."""

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

from ledgerflow_ops.adapters.cluster.server_start import POLL, start_server
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import make_owned_folder
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make

_START_TIMEOUT = 60
_LOG_LINES = 20
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory with the programs and the account that run its server."""

    data: Path
    tools: Tools
    account: Account | None

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def made(self) -> bool:
        """Whether `make` has finished here: it creates the file `made` at its end."""
        return (self.data / "made").exists()

    def make(self, superuser: str, *, encoding: str, options: Mapping[str, str], password: str = "") -> None:
        """Run initdb with these `options`. An empty password means trust authentication."""
        shutil.rmtree(self.data, ignore_errors=True)
        make_owned_folder(self.account, self.data.parent)
        arguments = [f"--{name}={value}" if value else f"--{name}" for name, value in options.items()]
        arguments += [f"--encoding={encoding}", "--no-sync", "--no-instructions", f"--username={superuser}"]
        with process.unnamed_file(password.encode(), self.account) as file:
            arguments += ["--pwfile=/dev/stdin", "--auth=scram-sha-256"] if password else ["--auth=trust"]
            self._run("initdb", "-D", self.data, *arguments, stdin=file)
        (self.data / "made").touch(mode=0o600)
        self._allow(self.data / "made")  # a base backup reads every file in the data directory

    def start(self, settings: Mapping[str, str]) -> None:
        """Start the server with `settings` and wait until it accepts connections; LedgerError with its log if
        not."""
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        (self.data / "ledgerflow.conf").write_text("\n".join(lines) + "\n")
        self._allow(self.data / "ledgerflow.conf")
        configuration = self.data / "postgresql.conf"
        include = "\ninclude 'ledgerflow.conf'\n"
        if include not in configuration.read_text():
            with configuration.open("a") as file:
                file.write(include)
        try:
            start_server(self.tools, self.data, self.log, self.account, _START_TIMEOUT)
        except LedgerError as error:
            raise LedgerError(f"{error.message}\n{self.last_log_lines()}", hint=error.hint) from None

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server and wait; does nothing if it does not run. `at_once`: by SIGQUIT."""
        postmaster = self.postmaster()
        if postmaster is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        if at_once:
            _resume_processes(postmaster)
        if not wait_for_end(postmaster, _START_TIMEOUT):
            raise LedgerError(
                f"The server in {self.data} does not stop (process {postmaster.pid}).",
                hint=Hint("Its log shows why; ", make("down"), " tries again."),
            )

    def remove(self) -> None:
        """Stop the server and remove its data folder."""
        self.stop(at_once=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def postmaster(self) -> psutil.Process | None:
        """The postmaster if it runs: the process in postmaster.pid that works in this folder."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            postmaster = psutil.Process(pid)
            return postmaster if Path(postmaster.cwd()) == self.data.resolve() else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        except psutil.AccessDenied:
            return None

    def last_log_lines(self) -> str:
        """The last lines of the server's log, for an error message."""
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
        """Run one of the server's programs as the account; LedgerError if it fails."""
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
                f"{name} failed ({process.describe_exit(finished.code)}):\n"
                f"{process.last_lines(finished.errors)}",
                hint=Hint(f"Check the free space on the disk of {self.data}: ", make("doctor"), " shows it."),
            )


def _resume_processes(postmaster: psutil.Process) -> None:
    """Resume a server that was stopped (SIGSTOP), so that it handles its signals."""
    with contextlib.suppress(psutil.Error):
        for server_process in (postmaster, *postmaster.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                server_process.resume()


def wait_for_end(process: psutil.Process, timeout: float) -> bool:
    """Wait for at most `timeout` seconds for a process to end; returns whether it has.

    A zombie has ended, too: a daemon's parent is init, which may be slow to reap it.
    """
    waited = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if waited >= timeout:
                return False
            time.sleep(POLL)
            waited += POLL
    return True


def free_port() -> int:
    """A TCP port on loopback that is free now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if is_free_port(port):
            return port


def is_free_port(port: int) -> bool:
    """Whether a server could listen on that TCP port of loopback, with IPv4 and, if available, IPv6."""
    try:
        for line in listen_on(port):
            line.close()
    except OSError:
        return False
    return port > 0


def listen_on(port: int) -> list[socket.socket]:
    """Sockets that listen on that TCP port of 127.0.0.1, and of ::1 if the machine has it.

    Browsers try ::1 first for `localhost`: another account that listens there could impersonate our server.
    OSError if one of them is taken.
    """
    sockets = [socket.create_server(("127.0.0.1", port))]
    try:
        sockets.append(socket.create_server(("::1", port), family=socket.AF_INET6))
    except OSError as error:
        if error.errno not in _NO_IPV6:
            sockets[0].close()
            raise
    return sockets


def new_password() -> str:
    return secrets.token_urlsafe(24)
