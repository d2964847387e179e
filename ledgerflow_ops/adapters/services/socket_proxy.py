"""A private socket of ours that leads to a server which only a program can reach."""

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
"""What libpq makes the socket's name of; nothing listens on such a port."""
_SHORT = Path("/tmp")  # noqa: S108 - folders in it are private; a socket's path has to be short
_FOLDER = "lf-relay-"
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Carried:
    """One connection: the program that carries it, and what that wrote about its troubles."""

    child: subprocess.Popen[bytes]
    errors: IO[bytes]


@dataclass
class SocketProxy:
    """The way is open. `folder` is what libpq takes for a host."""

    folder: Path
    command: Sequence[str]
    patience: float
    _carried: list[_Carried] = field(default_factory=list)
    _trouble: LedgerError | None = None

    @property
    def address(self) -> Path:
        """What libpq makes of the folder; people are told something else."""
        return self.folder / f".s.PGSQL.{PORT}"

    def failure(self) -> tuple[int, str] | None:
        """The exit code and the words of the first program that ended badly; None when none has."""
        if self._trouble:
            raise self._trouble
        for one in self._carried:
            if process.ended(one.child, self.patience) and one.child.returncode:
                one.errors.seek(0)
                return one.child.returncode, one.errors.read().decode("utf-8", "replace")
        return None

    def carry(self, connection: socket.socket) -> None:
        """Hand a connection to a program of its own, as its standard input and output: no byte passes us."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its program
        try:
            child = process.popen(self.command, extra={}, stdin=connection, stdout=connection, stderr=errors)
        except LedgerError as error:
            self._trouble = error
            errors.close()
        else:
            self._carried.append(_Carried(child, errors))
        finally:
            connection.close()

    def close(self) -> None:
        """Wait until every connection's other end is closed as well; what does not end is ended."""
        for one in self._carried:
            process.ended(one.child, self.patience)
            process.stop(one.child)
            one.errors.close()


@contextmanager
def proxy(command: Sequence[str], *, patience: float = _PATIENCE) -> Iterator[SocketProxy]:
    """Open the way for as long as the block lasts: each connection to it is a run of `command`.

    Whoever is still at work when the block has ended has `patience` seconds to end as well. The socket
    lies in a folder that nobody else may enter. When we are killed the connections close, and with them
    whatever the programs have started.
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
    """Remove the folders of relays that were killed: empty but for a socket that nobody listens on."""
    for folder in _SHORT.glob(f"{_FOLDER}*"):
        number = folder.name.removeprefix(_FOLDER).partition("-")[0]
        with contextlib.suppress(OSError):  # somebody else was first
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
    """Take connections, in a thread, until the block ends."""
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
        with contextlib.suppress(OSError):  # whoever knocked is gone already
            opened.carry(listener.accept()[0])
