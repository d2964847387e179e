"""Output at the terminal: a progress line, messages for people, one JSON object on stdout."""

import io
import json
import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.progress import Reporter, Step
from ledgerflow_ops.core.sizes import format_size

_REFRESH_SECONDS = 0.1
_PIPE_WIDTH = 250
"""The width for a pipe or a file, so that tables are not folded."""


def leave_terminal() -> None:
    """Redirect output for a terminal that is gone to /dev/null: writing to it would fail and end us."""
    for stream in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(stream).st_mode) and not os.isatty(stream):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


class Terminal:
    """Prints messages for a person. With `as_json`, stdout holds nothing but the object of `finish`.

    `environment` is the call's environment; commands in hints are printed with it as LEDGER_ENV.
    """

    def __init__(self, *, as_json: bool, environment: str = "") -> None:
        self.as_json, self.environment = as_json, environment
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a file name may be invalid UTF-8
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = self.errors if as_json else Console(highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out.width = _PIPE_WIDTH

    def say(self, text: str | Hint, style: str = "") -> None:
        self.out.print(escape(self._with_environment(text)), style=style or None)

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal's encoding can show only ASCII."""
        return self.out.options.ascii_only

    def print_text(self, text: Text) -> None:
        """Print a line of several colours."""
        self.out.print(text)

    def table(self, table: Table) -> None:
        self.out.print(table)

    def finish(self, fields: Mapping[str, Any]) -> None:
        """Print the result as one JSON object on stdout, if JSON was requested."""
        if self.as_json:
            sys.stdout.write(json.dumps(dict(fields), default=self._with_environment) + "\n")
            sys.stdout.flush()

    def checks(self, checks: Iterable[Check]) -> None:
        """Print one line per check, and the hint below a failed one."""
        for check in checks:
            mark, style = _mark(check)
            self.out.print(f"  [{style}]{mark}[/] {escape(f'{check.name:<15} {check.message}')}")
            if not check.passed:
                self.out.print(f"      [dim]hint:[/] {escape(self._with_environment(check.hint))}")

    def error(self, message: str, hint: Hint = NO_HINT) -> None:
        """Print an error and what to do next, always on stderr."""
        self.errors.print(f"[bold red]error:[/] {escape(message)}")
        if hint:
            self.errors.print(f"[dim]hint:[/] {escape(self._with_environment(hint))}")

    def _with_environment(self, value: object) -> str:
        """The value as text; a hint's commands get the call's environment."""
        return str(value.within(self.environment) if isinstance(value, Hint) else value)


class Progress:
    """A Reporter for a terminal: step, bytes and rate on one line, which is removed when the work is done."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live = terminal.errors.is_terminal
        self._step, self._begun, self._shown = "", time.monotonic(), 0.0

    def step(self, step: Step) -> None:
        self._step, self._begun = str(step), time.monotonic()
        self._write(f"{step} …")

    def moved(self, done: int, expected: int | None) -> None:
        now = time.monotonic()
        if now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        rate = done / max(now - self._begun, 0.001)
        of = f" of about {format_size(expected)}" if expected else ""
        self._write(f"{self._step} … {format_size(done)}{of}, {format_size(rate)}/s")

    def counted(self, done: int, of: int, what: str) -> None:
        """Show `done` of `of`; the line is removed once they are equal."""
        now = time.monotonic()
        if done >= of:
            self.clear()
        elif now - self._shown >= _REFRESH_SECONDS:
            self._shown = now
            self._write(f"{done:,} of {of:,} {what} …")

    def say(self, message: str) -> None:
        self.clear()
        self._terminal.errors.print(escape(message))

    def clear(self) -> None:
        """Remove the progress line."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._live:
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()


def clear(reporter: Reporter) -> None:
    """Remove the reporter's progress line, if it has one, before messages are printed."""
    if isinstance(reporter, Progress):
        reporter.clear()


def _mark(check: Check) -> tuple[str, str]:
    if check.passed:
        return "ok  ", "green"
    return ("WARN", "yellow") if check.severity is Severity.WARN else ("BAD ", "bold red")
