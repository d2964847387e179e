"""Runs the commands as a person types them: real programs, their own environment variables, real files."""

import json
import os
import pty
import secrets
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ledgerflow_ops_tests.e2e import preloaded
from ledgerflow_ops_tests.e2e.preloaded import Forked

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).parent / "ledgerflow"
PATIENCE = 240.0


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a program: its exit code and its output."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which must be one JSON object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def all(self) -> str:
        return self.out + self.errors


@dataclass(frozen=True)
class Shell:
    """Environment variables for one state folder and one backup folder.

    Of the variables of the person who runs the tests, only those that find programs are passed on.
    """

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    def environment(self, **variables: str) -> dict[str, str]:
        empty = self.root / "empty.toml"
        empty.touch()
        return {
            "PATH": os.environ["PATH"],
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "LEDGER_STATE_DIR": str(self.state),
            "LEDGER_BACKUP_ROOT": str(self.backups),
            "LEDGER_CONFIG": str(empty),
            **self.variables,
            **variables,
        }

    def ledgerflow(self, *arguments: str, **variables: str) -> CommandResult:
        """Run the console script, in a process that has its imports already.

        With variables of Python itself it is started like any program: they have their effect at the start.
        """
        if any(name.startswith("PYTHON") for name in (*self.variables, *variables)):
            return self.run([str(PROGRAM), *arguments], **variables)
        done = preloaded.run(arguments, self.environment(**variables), PATIENCE)
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def make(self, *words: str, **variables: str) -> CommandResult:
        """Run make in the project's folder."""
        return self.run(["make", *words], **variables)

    def run(self, command: list[str], **variables: str) -> CommandResult:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            encoding="utf-8",
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def at_a_terminal(
        self, *arguments: str, columns: int = 80, interrupt_at: str = "", **variables: str
    ) -> CommandResult:
        """Run the console script on a pseudo-terminal; all it wrote, byte for byte, is in `out`.

        It gets Ctrl-C's signal once it has written `interrupt_at`.
        """
        person, program = pty.openpty()
        termios.tcsetwinsize(program, (24, columns))
        given = {"TERM": "xterm", **self.environment(**variables)}
        try:
            child = preloaded.start(arguments, given, (program,) * 3, new_session=True)
        finally:
            os.close(program)
        try:
            return CommandResult(*_watched(child, person, interrupt_at.encode()), errors="")
        finally:
            os.close(person)

    def key(self, page: str = "webserver") -> str:
        """The Authorization header by which our programs call a page: `Bearer …`."""
        return f"Bearer {(self.state / 'servers' / f'{page}.secret').read_text().strip()}"

    def file(self, environment: str, result: CommandResult) -> Path:
        """The dump that a JSON result names, which must be in the environment's folder."""
        path = Path(result.json["file"])
        assert path.parent == self.backups / environment
        return path


def _watched(child: Forked, terminal: int, interrupt_at: bytes) -> tuple[int, str]:
    """Read a terminal until the program on it has ended."""
    seen, until = b"", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        if interrupt_at and interrupt_at in seen:
            os.killpg(child.process, signal.SIGINT)
            interrupt_at = b""
        try:
            seen += os.read(terminal, 65536)
        except OSError:  # Linux reports a closed other side like this
            return child.wait(PATIENCE), seen.decode()
    os.killpg(child.process, signal.SIGKILL)
    raise AssertionError(f"did not end within {PATIENCE:.0f} s: {seen[-2000:]!r}")


@contextmanager
def shell(session_root: Path, **variables: str) -> Iterator[Shell]:
    """A shell with its own folders. Afterwards its servers are stopped, and no process may be left."""
    root = session_root / secrets.token_hex(4)
    root.mkdir(mode=0o711)
    new_shell = Shell(root, variables)
    try:
        yield new_shell
    finally:
        stopped = new_shell.ledgerflow("down")
        processes = processes_using(root)
        shutil.rmtree(root, ignore_errors=True)
        assert stopped.code == 0, stopped.all
        assert not processes, f"left running: {processes}"


def processes_using(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory, or one of whose arguments, is below `folder`."""
    return [process for process in psutil.process_iter() if _is_at_work_in(process, str(folder))]


def _is_at_work_in(process: psutil.Process, folder: str) -> bool:
    try:
        places = [process.cwd(), *process.cmdline()]
        return process.status() != psutil.STATUS_ZOMBIE and any(folder in place for place in places)
    except psutil.Error:
        return False


def flip_bit(file: Path) -> None:
    """Flip one bit of a file, without a change of its length."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
