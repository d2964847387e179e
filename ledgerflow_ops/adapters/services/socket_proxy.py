"""A private Unix socket whose connections are carried by a program to a server that only it can reach."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

import psutil

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import LedgerError

PORT = "5432"
"""The port in the name of the socket; nothing listens on a TCP port of this number."""
_SHORT = Path("/tmp")  # noqa: S108 - its folders are private; a socket's path must be short
_FOLDER = "lf-relay-"
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _ProxiedConnection:
    """One connection: the program that carries it, and the program's errors."""

    child: subprocess.Popen[bytes]
    errors: IO[bytes]


@dataclass
class SocketProxy:
    """An open proxy. `folder` is the host for libpq."""

    folder: Path
    command: Sequence[str]
    patience: float
    _carried: list[_ProxiedConnection] = field(default_factory=list)
    _trouble: LedgerError | None = None

    @property
    def address(self) -> Path:
        """The path of the socket in libpq's messages, which is replaced for people."""
        return self.folder / f".s.PGSQL.{PORT}"

    def failure(self) -> tuple[int, str] | None:
        """Exit code and errors of the first program that failed; None if none has."""
        if self._trouble:
            raise self._trouble
        for carried in self._carried:
            if process.wait_for_end(carried.child, self.patience) and carried.child.returncode:
                carried.errors.seek(0)
                return carried.child.returncode, carried.errors.read().decode("utf-8", "replace")
        return None

    def carry(self, connection: socket.socket) -> None:
        """Start a program with the connection as its standard input and output: no byte passes through us."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its program
        try:
            child = process.start_program(
                self.command, extra={}, stdin=connection, stdout=connection, stderr=errors
            )
        except LedgerError as error:
            self._trouble = error
            errors.close()
        else:
            self._carried.append(_ProxiedConnection(child, errors))
        finally:
            connection.close()

    def close(self) -> None:
        """Wait until every program has ended; stop those that do not end within `patience` seconds."""
        for carried in self._carried:
            process.wait_for_end(carried.child, self.patience)
            process.stop(carried.child)
            carried.errors.close()


@contextmanager
def proxy(command: Sequence[str], *, patience: float = _PATIENCE) -> Iterator[SocketProxy]:
    """Open a proxy for the block: each connection to its socket is one run of `command`.

    Programs that still run after the block have `patience` seconds to end. The socket is in a folder that
    nobody else may enter. If we are killed, the connections close, and the programs end.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=_SHORT))
    opened = SocketProxy(folder, command, patience)
    try:
        with _listening(opened.address) as listener, _accepting(listener, opened):
            yield opened
    finally:
        opened.close()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of killed proxies, which contain only a socket that nobody listens on."""
    for folder in _SHORT.glob(f"{_FOLDER}*"):
        number = folder.name.removeprefix(_FOLDER).partition("-")[0]
        with contextlib.suppress(OSError):  # another process was first
            dead = number.isdecimal() and not psutil.pid_exists(int(number))
            if dead and folder.stat().st_uid == os.geteuid():
                shutil.rmtree(folder)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


@contextmanager
def _accepting(listener: socket.socket, opened: SocketProxy) -> Iterator[None]:
    """Accept connections in a thread until the block ends."""
    sleeping, waking = os.pipe()
    thread = Thread(target=_accept, args=(listener, sleeping, opened), daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(waking)
        thread.join()
        os.close(sleeping)


def _accept(listener: socket.socket, sleeping: int, opened: SocketProxy) -> None:
    while True:
        ready, _, _ = select.select([listener.fileno(), sleeping], [], [])
        if sleeping in ready:
            return
        with contextlib.suppress(OSError):  # the client has gone already
            opened.carry(listener.accept()[0])
