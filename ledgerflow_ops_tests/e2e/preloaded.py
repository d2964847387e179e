"""`ledgerflow` in a new process whose imports are made already.

Importing Dagster takes most of the CPU of a command, and the tests run hundreds of commands. One process
imports all that commands import; each command is a fork of it, with its own arguments, variables, folder and
streams. The fork runs the console script's `main` and ends as any interpreter does.

When and what a command imports is tested with programs of their own (`commands/test_late_imports`,
`test_imports`, `test_cli`), and `make` and the tests at a terminal start the console script itself.
"""

import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_LEFT_OUT = ("bootstrap", "definitions", "guard", "defs.daemon", "defs.webserver")
"""Parts of the package that no command imports."""
_LATE = (
    "dagster_postgres",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "fsspec.implementations.local",
    "minisign",
    "psycopg",
    "psycopg2.extras",
    "upath",
)
"""What commands import in functions."""
_INHERITED = ("PATH", "PYTHONPATH")
_REQUEST_BYTES = 1 << 17


@dataclass(frozen=True)
class Forked:
    """A command that has been started: its process, and the line by which its exit code comes."""

    process: int
    reply: socket.socket

    def wait(self, patience: float) -> int:
        """Its exit code, -N for a signal; TimeoutError after so many seconds."""
        with self.reply:
            self.reply.settimeout(patience)
            return int(self.reply.recv(100))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


def start(
    words: Sequence[str], variables: Mapping[str, str], streams: Sequence[int], *, new_session: bool = False
) -> Forked:
    """Start `ledgerflow` with these arguments and variables, and no others, in the project's folder.

    `streams` are its standard input, output and errors; they can be closed here afterwards.
    """
    reply, replied = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with replied:
        request = json.dumps([words, dict(variables), new_session]).encode()
        socket.send_fds(_parent(os.getpid()), [request], [*streams, replied.fileno()])
    return Forked(int(reply.recv(100)), reply)


def run(
    words: Sequence[str], variables: Mapping[str, str], patience: float
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, without input; after `patience` seconds it is killed: subprocess.TimeoutExpired."""
    until = time.monotonic() + patience
    (out, out_end), (errors, errors_end) = os.pipe(), os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    with ExitStack() as stack:
        for pipe in (out, errors):
            stack.callback(os.close, pipe)
        started = start(words, variables, (nothing, out_end, errors_end))
        for descriptor in (nothing, out_end, errors_end):
            os.close(descriptor)
        try:
            texts = _read([out, errors], until)
            code = started.wait(max(1.0, until - time.monotonic()))
        except TimeoutError:
            started.kill()
            raise subprocess.TimeoutExpired(list(words), patience) from None
    return subprocess.CompletedProcess(list(words), code, *texts)


def _read(pipes: Sequence[int], until: float) -> list[str]:
    """All that comes through the pipes until their other ends are closed; TimeoutError at `until`."""
    texts = dict.fromkeys(pipes, b"")
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.1, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                more = os.read(key.fd, 1 << 16)
                texts[key.fd] += more
                if not more:
                    selector.unregister(key.fd)
    return [text.decode() for text in texts.values()]


@cache
def _parent(_of: int) -> socket.socket:
    """The line to the process that forks, one for each process of ours. It ends when the line is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(  # -c, not -m: click would print how the module was started in its hints
            [sys.executable, "-c", f"from {__name__} import fork; fork({theirs.fileno()})"],
            cwd=PROJECT,
            env={name: value for name, value in os.environ.items() if name in _INHERITED}
            | {"LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


def fork(line: int) -> None:
    """Import, then fork for each request that comes by the line; in the fork, run the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and so the line
    _import_all()
    gc.collect()
    gc.freeze()
    request, streams = _fork_each(socket.socket(fileno=line))
    words, variables, new_session = json.loads(request)
    _become(words, variables, streams, new_session=new_session)
    from ledgerflow_ops import cli

    cli.main()


def _import_all() -> None:
    package = importlib.import_module("ledgerflow_ops")
    left_out = tuple(f"{package.__name__}.{name}" for name in _LEFT_OUT)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.startswith(left_out):
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)


def _fork_each(line: socket.socket) -> tuple[bytes, list[int]]:
    """Returns in each fork: the request and the streams. The process itself ends with the line."""
    working: dict[int, tuple[int, socket.socket]] = {}
    """By the descriptor that says that a fork has ended: its process, and who waits for it."""
    while True:
        ready = _readable([line.fileno(), *working])
        for descriptor in ready - {line.fileno()}:
            process, reply = working.pop(descriptor)
            os.close(descriptor)
            with reply, suppress(OSError):  # whoever waited may have given up
                reply.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        if line.fileno() not in ready:
            continue
        request, descriptors, _, _ = socket.recv_fds(line, _REQUEST_BYTES, 4)
        if not request:
            os._exit(0)
        *streams, answer = descriptors
        process = os.fork()
        if not process:
            break
        reply = socket.socket(fileno=answer)
        reply.send(b"%d" % process)
        working[os.pidfd_open(process)] = process, reply
        for stream in streams:
            os.close(stream)
    for other in (line.fileno(), answer, *working, *(reply.fileno() for _, reply in working.values())):
        os.close(other)
    return request, streams


def _readable(descriptors: Sequence[int]) -> set[int]:
    with selectors.PollSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        return {key.fd for key, _ in selector.select()}


def _become(words: list[str], variables: dict[str, str], streams: list[int], *, new_session: bool) -> None:
    """Take the arguments, variables and streams, as Python does when it starts in C.UTF-8 (PEP 540)."""
    if new_session:
        os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    program = Path(sys.executable).parent / "ledgerflow"
    sys.argv = [str(program), *words]
    sys.path[0] = str(program.parent)
    standard_input = io.BufferedReader(io.FileIO(0, "r", closefd=False))
    sys.stdin = io.TextIOWrapper(standard_input, "utf-8", "surrogateescape")
    sys.stdout = _writer(1, "surrogateescape")
    sys.stderr = _writer(2, "backslashreplace")
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _writer(number: int, errors: str) -> io.TextIOWrapper:
    stream = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    return io.TextIOWrapper(stream, "utf-8", errors, line_buffering=number == 2)
