"""Runs other programs. Secrets travel in the environment, never in arguments; errors carry the last lines."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.session_activity import Watcher

_SECRETS = re.compile(
    r"(\w+://[^:/\s@]*:)\S+(?=@)"
    r"|((?:password|passwd)\s*=\s*)('(?:\\.|[^'\\])*(?:'|\Z)|(?:\\.|\S)+)",
    re.IGNORECASE | re.DOTALL,
)
_TAIL = 12
_TICK = 1.0
_KEPT = 64 * 1024


def mask(text: str) -> str:
    """`text` with the passwords of URLs and of connection strings replaced by stars."""
    return _SECRETS.sub(lambda match: (match[1] or match[2]) + "***", text)


def last_lines(text: str) -> str:
    """The end of a program's error output, masked, as one indented block."""
    lines = [line for line in mask(text).strip().splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-_TAIL:])


@dataclass(frozen=True, slots=True)
class Account:
    """The user another program runs as, where that is not ourselves."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended."""

    code: int
    out: bytes
    errors: str


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without any PG* setting of the user's but PGPASSFILE, with `extra` on top.

    A PGHOST or PGOPTIONS left in a shell must never pick a target or change what a dump holds.
    """
    kept = {name: value for name, value in os.environ.items() if name[:2] != "PG" or name == "PGPASSFILE"}
    return {**kept, "LC_ALL": "C", **extra}


def popen(
    command: Sequence[str | Path],
    *,
    extra: Mapping[str, str],
    account: Account | None = None,
    leash: bool = False,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; LedgerError when it cannot be started at all.

    So Ctrl-C reaches us alone, who end it with all it has started, and it cannot ask the terminal. On a
    `leash` its standard input is a pipe in which nothing ever comes, and which ends when we do.
    """
    options = {"start_new_session": True, **options}
    if leash:
        options["stdin"], held = os.pipe()
    if account:
        options |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    for record in _records:
        record.append(mask(shlex.join("…" if "\n" in str(part) else str(part) for part in command)))
    try:
        child = subprocess.Popen([str(part) for part in command], env=environment(extra), **options)
    except OSError as error:
        if leash:
            os.close(held)
        raise LedgerError(
            f"{Path(command[0]).name} could not be started: {error.strerror}",
            hint=Hint(make("doctor"), " shows which tools are found and where."),
        ) from None
    finally:
        if leash:
            os.close(options["stdin"])
    if leash:
        weakref.finalize(child, os.close, held)
    return child


_records: list[list[str]] = []


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """The command lines of all programs that are started while the block lasts, without secrets."""
    record: list[str] = []
    _records.append(record)
    try:
        yield record
    finally:
        _records.remove(record)


def run(
    command: Sequence[str | Path],
    *,
    extra: Mapping[str, str] | None = None,
    account: Account | None = None,
    timeout: float | None = None,
    watched: Callable[[subprocess.Popen[bytes]], Watcher] | None = None,
    **options: Any,
) -> Finished:
    """Run a program to its end and return what it printed; never raises for its exit code.

    What has no `timeout` may be `watched` while it runs.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = popen(command, extra=extra or {}, account=account, **{**pipes, **options})
    try:
        out, errors = _communicated(child, watched(child)) if watched else child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        stop(child)
        raise CannotJudge(
            f"{Path(command[0]).name} did not end within {timeout:.0f} s.",
            hint=Hint("Try again when the machine is less busy."),
        ) from None
    except BaseException:
        stop(child)
        raise
    return Finished(child.returncode, out, errors.decode("utf-8", "replace"))


def _communicated(child: subprocess.Popen[bytes], watch: Watcher) -> tuple[bytes, bytes]:
    while True:
        try:
            return child.communicate(timeout=_TICK)
        except subprocess.TimeoutExpired:
            watch.tick()


@contextlib.contextmanager
def unnamed_file(data: bytes, account: Account | None = None) -> Iterator[IO[bytes]]:
    """A file with `data`, to be a program's standard input. It has no name, so a kill leaves nothing.

    `account` is whoever opens it anew, as /dev/stdin; by default it is ours.
    """
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        if account:
            os.fchown(file.fileno(), account.uid, account.gid)
        yield file


@contextlib.contextmanager
def piped(command: Sequence[str | Path]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A program whose output and errors are read while it runs; it is ended with the block."""
    child = popen(command, extra={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield child.stdout, child.stderr  # type: ignore[misc]
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a program we started, reap it and close its pipes; safe when it has ended."""
    kill(child)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        with contextlib.suppress(BrokenPipeError):
            if pipe:
                pipe.close()


def ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait so long for a program to end by itself; whether it has."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=seconds)
    return child.returncode is not None


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a program we started with all it started itself: a tool may be a script around the real one."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def end_all() -> None:
    """Kill every program we have started that is still at work.

    For when we are interrupted: that may come between a start and the line that would look after it, and
    even before the program has taken our place in the child and got its session.
    """
    import psutil  # takes longer to import than all else here, and is needed once

    own = psutil.Process()
    for child in own.children():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if child.status() == psutil.STATUS_ZOMBIE:
                continue
            if child.cmdline() == own.cmdline():
                child.kill()
            if os.getsid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)


def ended_by(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def drain(stream: IO[bytes], into: bytearray) -> None:
    """Read a program's error output to its end, keeping only the last part. For a thread of its own."""
    while chunk := stream.read1(8192) if hasattr(stream, "read1") else stream.read(8192):
        into += chunk
        del into[:-_KEPT]
