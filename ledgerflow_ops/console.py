"""Output at the terminal: progress, messages for people, one JSON object on stdout."""

import io
import json
import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.presentation import wrapping
from ledgerflow_ops.core.presentation.progress_figures import Work
from ledgerflow_ops.core.progress import Reporter, Step

if TYPE_CHECKING:
    from ledgerflow_ops.progress_display import Display

_REFRESH_SECONDS = 0.1
_WIDTH, _ENDLESS = 100, 1_000_000
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

    def paragraph(self, text: str | Hint, style: str = "", *, indent: int = 0) -> None:
        """Print a text, wrapped at a terminal; names and commands stay whole. Elsewhere it is as it is."""
        if self.columns == _ENDLESS:
            return self.say(Hint(" " * indent, text), style)
        for part in text.split("\n") if isinstance(text, str) else (text.within(self.environment),):
            for line in wrapping.wrap(part, self.columns, indent=indent):
                self.out.print(escape(line), style=style or None)
        return None

    def flow(self, *parts: Text, indent: int = 2) -> None:
        """Print parts side by side, as many as fit on a line."""
        for line in wrapping.flow([part.cell_len for part in parts], self.columns, indent=indent):
            self.out.print(Text(" " * indent) + Text("   ").join(parts[number] for number in line))

    @property
    def columns(self) -> int:
        """The columns of a line: at most 100 at a terminal. In a pipe a line is as long as it is."""
        return min(_WIDTH, self.out.width) if self.out.is_terminal and self.out.file.isatty() else _ENDLESS

    @property
    def live(self) -> bool:
        """Whether stderr is a terminal that can redraw a line. Not in CI, where nobody watches it."""
        terminal = sys.stderr.isatty() and not self.errors.is_dumb_terminal
        return terminal and not os.environ.get("CI")

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal's encoding can show only ASCII."""
        return self.out.options.ascii_only

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
    """A Reporter for a person: a progress bar at a terminal, else a line now and then, on stderr.

    Nothing is shown with `silent`, and what is shown at a terminal is removed when the work is done.
    """

    def __init__(self, terminal: Terminal, *, silent: bool = False) -> None:
        self._terminal, self._silent = terminal, silent
        self._work, self._shown = Work(""), 0.0
        self._display: Display | None = None
        self._expected: Mapping[Step, float] = {}

    def expect(self, durations: Mapping[Step, float]) -> None:
        """Show the remaining time of these steps, which take so many seconds, where nothing is measured."""
        self._expected = durations

    def step(self, step: Step) -> None:
        self._show(Work(str(step), expected=self._expected.get(step)))

    def moved(self, done: int, expected: int | None) -> None:
        if self._due():
            self._show(Work(self._work.what, done, expected))

    def counted(self, done: int, of: int, what: str) -> None:
        """Show `done` of `of`; what is shown is removed once they are equal."""
        if done >= of:
            self.clear()
        elif self._due():
            self._show(Work(self._work.what, done, of, what))

    def say(self, message: str) -> None:
        shown = self._display
        self.clear()
        self._terminal.errors.print(escape(message))
        if shown:
            self._show(self._work)

    def printed(self, line: str) -> None:
        """Nothing: it is in the run's log. What a person must know of it is reported by `say` or a check."""

    def clear(self) -> None:
        """Remove what is shown."""
        if self._display:
            self._display.stop()
            self._display = None

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._shown < _REFRESH_SECONDS:
            return False
        self._shown = now
        return True

    def _show(self, work: Work) -> None:
        self._work = work
        if self._silent:
            return
        if self._display is None:
            from ledgerflow_ops.progress_display import display

            self._display = display(self._terminal.errors, live=self._terminal.live)
        self._display.show(work)


def clear(reporter: Reporter) -> None:
    """Remove the reporter's progress line, if it has one, before messages are printed."""
    if isinstance(reporter, Progress):
        reporter.clear()


def _mark(check: Check) -> tuple[str, str]:
    if check.passed:
        return "ok  ", "green"
    return ("WARN", "yellow") if check.severity is Severity.WARN else ("BAD ", "bold red")
