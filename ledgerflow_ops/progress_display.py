"""Shows progress: a bar at a terminal, and now and then a line in a pipe or a log."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from ledgerflow_ops.core.presentation.progress_figures import Work, figures, pause_before_line, plain_line

WIDTH = 100
"""No bar is wider, however wide the terminal."""


class Display(Protocol):
    """Shows what is being done, until it is stopped."""

    def show(self, work: Work) -> None: ...

    def stop(self) -> None: ...


class Bar:
    """A bar on one line, redrawn at every report, and removed by `stop`."""

    def __init__(self) -> None:
        self._drawn: RichProgress | None = None

    def show(self, work: Work) -> None:
        total = work.total if work.share is not None else None
        if self._drawn is None:
            self._drawn = _LimitedProgress(
                TextColumn("{task.description}", table_column=_unwrapped()),
                BarColumn(bar_width=None),
                _Share(_unwrapped()),
                _Figures(_unwrapped()),
                console=_Terminal(stderr=True, highlight=False),
                transient=True,
                refresh_per_second=4,
            )
            self._drawn.add_task(work.what, total=total, completed=work.done, work=work)
            self._drawn.start()
        [task] = self._drawn.tasks
        if task.description != work.what:
            self._drawn.reset(task.id, description=work.what, total=None)
        task.total = total
        self._drawn.update(task.id, completed=work.done, work=work, refresh=True)

    def stop(self) -> None:
        if self._drawn:
            self._drawn.stop()
            self._drawn = None


def _unwrapped() -> Column:
    """A column that stays on one line: the bar gives way to it."""
    return Column(no_wrap=True)


class _Terminal(Console):
    """Leaves the cursor visible, so that no way to end the program can leave it hidden."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
        return False


class _LimitedProgress(RichProgress):
    def get_renderable(self) -> RenderableType:
        return _AtMost(super().get_renderable())


class _AtMost:
    """Something that is drawn at most `WIDTH` columns wide, and narrower in a narrower terminal."""

    def __init__(self, drawn: RenderableType) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._drawn, options.update(max_width=min(WIDTH, options.max_width - 1)))


class _Share(ProgressColumn):
    """The part that is done, in per cent."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:>3.0f} %")


class _Figures(ProgressColumn):
    """Bytes, rate and remaining time."""

    def render(self, task: Task) -> Text:
        return Text(figures(task.fields.get("work", Work("")), task.speed, task.elapsed or 0.0))


class Lines:
    """A line once the work takes longer than `pause(elapsed)` seconds, and again after each such time.

    They are written by a thread: a step that is silent for an hour is reported all the same.
    """

    def __init__(self, write: Callable[[str], None], pause: Callable[[float], float]) -> None:
        self._write, self._pause = write, pause
        self._work, self._begun = Work(""), 0.0
        self._ended: threading.Event | None = None

    def show(self, work: Work) -> None:
        if work.what != self._work.what or self._ended is None:
            self._begun = time.monotonic()
        self._work = work
        if self._ended is None:
            self._ended = threading.Event()
            threading.Thread(target=self._run, args=[self._ended], daemon=True).start()

    def stop(self) -> None:
        if self._ended:
            self._ended.set()
            self._ended = None

    def _run(self, ended: threading.Event) -> None:
        begun = time.monotonic()
        while not ended.wait(self._pause(time.monotonic() - begun)):
            work, elapsed = self._work, time.monotonic() - self._begun
            self._write(plain_line(work, work.done / elapsed if elapsed > 0 else None, elapsed))


def display(console: Console, *, live: bool) -> Display:
    """A bar where `live`, else lines on the console."""
    return Bar() if live else Lines(lambda line: console.print(line, markup=False), pause_before_line)
