"""Runs other programs. Secrets are in the environment, never in arguments; errors have the last lines."""

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

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.adapters.system.memory_files import memory_file
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.session_activity import Watcher
from ledgerflow_ops.core.program_output import ProgramOutput
from ledgerflow_ops.core.secrets_in_text import mask_secrets as mask_secrets

PIPE = subprocess.PIPE
_TAIL = 12
_TICK = 1.0
_KEPT = 64 * 1024
_OF_THE_ACCOUNT = re.compile(
    r"(HOME|SSH_.*|GPG_.*|GNUPGHOME|XDG_.*|PASSWORD_STORE_.*|DBUS_SESSION_BUS_ADDRESS|PGPASSFILE)$"
)
"""Variables that lead to what an account keeps in its home, or to its agents."""


def last_lines(text: str) -> str:
    """The end of a program's error output, masked, as one indented block."""
    lines = [line for line in mask_secrets(text).strip().splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-_TAIL:])


@dataclass(frozen=True, slots=True)
class Account:
    """The account that another program runs as, if not our own."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The exit code and output of a program that has ended."""

    code: int
    out: bytes
    errors: str


def program_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without the user's PG* variables except PGPASSFILE, with LC_ALL=C, and with
    `extra`.

    A PGHOST or PGOPTIONS left in a shell must never choose a target or change the contents of a dump.
    """
    inherited = {
        name: value for name, value in os.environ.items() if name[:2] != "PG" or name == "PGPASSFILE"
    }
    if _homes:
        kept = {name: value for name, value in inherited.items() if not _OF_THE_ACCOUNT.match(name)}
        inherited = {**kept, "HOME": str(_homes[-1])}
    return {**inherited, "LC_ALL": "C", **extra}


def start_program(
    command: Sequence[str | Path],
    *,
    extra: Mapping[str, str],
    account: Account | None = None,
    leash: bool = False,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; LedgerError if it cannot be started.

    In its own session, Ctrl-C reaches only us, who end the program and its children, and it cannot prompt on
    the terminal. On a `leash` its standard input is a pipe without data, which closes when we end.
    """
    options = {"start_new_session": True, **options}
    if leash:
        options["stdin"], write_end = os.pipe()
    if account:
        options |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    for record in _records:
        record.append(mask_secrets(shlex.join("…" if "\n" in str(part) else str(part) for part in command)))
    try:
        child = subprocess.Popen([str(part) for part in command], env=program_environment(extra), **options)
    except OSError as error:
        if leash:
            os.close(write_end)
        raise LedgerError(
            f"{Path(command[0]).name} could not be started: {error.strerror}",
            hint=Hint(make("doctor"), " shows which tools are found and where."),
        ) from None
    finally:
        if leash:
            os.close(options["stdin"])
    if leash:
        weakref.finalize(child, os.close, write_end)
    return child


_homes: list[Path] = []


@contextlib.contextmanager
def empty_home() -> Iterator[Path]:
    """A private, empty folder, which is the home of all programs that are started during the block.

    They have no agent of SSH or GnuPG, and no folder of the account's settings or secrets. The folder is
    removed afterwards, with what they put into it.
    """
    with tempfile.TemporaryDirectory(prefix="ledgerflow-home-", ignore_cleanup_errors=True) as folder:
        _homes.append(Path(folder))
        try:
            yield Path(folder)
        finally:
            _homes.pop()


_records: list[list[str]] = []


@contextlib.contextmanager
def recorded_commands() -> Iterator[list[str]]:
    """The command lines of all programs that are started during the block, without secrets."""
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
    printed: ProgramOutput | None = None,
    **options: Any,
) -> Finished:
    """Run a program to its end and return its output; a non-zero exit code raises nothing.

    CannotJudge after `timeout` seconds. Without a timeout, `watched` may make a watcher, which may raise its
    error, and `printed` receives the program's error output while it runs.
    """
    begun = clock.monotonic()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = start_program(command, extra=extra or {}, account=account, **{**pipes, **options})
    try:
        out, errors = (
            _communicate(child, watched(child), printed) if watched else child.communicate(timeout=timeout)
        )
    except subprocess.TimeoutExpired:
        stop(child)
        raise CannotJudge(
            f"{Path(command[0]).name} did not end within {timeout:.0f} s.",
            hint=Hint("Try again when the machine is less busy."),
        ) from None
    except BaseException:
        stop(child)
        raise
    if printed:
        printed.end(describe_exit(child.returncode), clock.monotonic() - begun)
    return Finished(child.returncode, out, errors.decode("utf-8", "replace"))


def _communicate(
    child: subprocess.Popen[bytes], watch: Watcher, printed: ProgramOutput | None
) -> tuple[bytes, bytes]:
    reported = 0
    while True:
        try:
            out, errors = child.communicate(timeout=_TICK)
        except subprocess.TimeoutExpired as pause:
            reported = _report_new(printed, pause.stderr or b"", reported)
            watch.tick()
        else:
            _report_new(printed, errors, reported)
            return out, errors


def _report_new(printed: ProgramOutput | None, errors: bytes, reported: int) -> int:
    """Report what is new of the error output so far; returns how many bytes have been reported."""
    if printed:
        printed.feed(errors[reported:])
        printed.flush()
    return len(errors)


@contextlib.contextmanager
def unnamed_file(data: bytes, account: Account | None = None) -> Iterator[IO[bytes]]:
    """An unnamed file with `data` for a program's standard input, so that a kill leaves nothing.

    `account` becomes its owner: a program that reopens it as /dev/stdin needs the permission.
    """
    with memory_file(data) as file:
        if account:
            os.fchown(file.fileno(), account.uid, account.gid)
        yield file


@contextlib.contextmanager
def piped_program(command: Sequence[str | Path]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Start a program for the block, and return its input and output; it is killed after the block."""
    child = start_program(
        command, extra={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield child.stdin, child.stdout  # type: ignore[misc]
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """Kill a program that we started, reap it and close its pipes; safe if it has ended."""
    kill(child)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        with contextlib.suppress(BrokenPipeError):
            if pipe:
                pipe.close()


def wait_for_end(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for at most `seconds` for a program to end; returns whether it has."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=seconds)
    return child.returncode is not None


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a program that we started with its children: it may be a script around the real program."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def kill_all() -> None:
    """Kill every program that we have started and that still runs.

    For an interrupt, which may come between the start of a program and the code that ends it, and even before
    the child has called setsid() and exec().
    """
    import psutil  # slow to import, and rarely needed

    own = psutil.Process()
    for child in own.children():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if child.status() == psutil.STATUS_ZOMBIE:
                continue
            if child.cmdline() == own.cmdline():
                child.kill()
            if os.getsid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """An exit code in words: `exit code 1`, or `killed by SIGKILL` for a negative one."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def drain_stream(stream: IO[bytes], into: bytearray, printed: ProgramOutput | None = None) -> None:
    """Read a program's error output to its end, in a thread of its own, and keep the last 64 KiB.

    `printed` receives all of it; another thread flushes it.
    """
    while chunk := stream.read1(8192) if hasattr(stream, "read1") else stream.read(8192):
        if printed:
            printed.feed(chunk)
        into += chunk
        del into[:-_KEPT]
