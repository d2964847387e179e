"""Runs work that may hang, such as a write to a disk of another machine, for as long as it makes progress."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import Unanswered
from ledgerflow_ops.core.hints import Hint

Result = TypeVar("Result")

_ENDS = 5.0
"""Seconds that given-up work has to end by itself, so that it removes what it has begun."""


class _Abandoned(Exception):
    """Raised in the thread of work that nobody waits for any more."""


class Heartbeat:
    """The work calls it whenever it has made progress. It raises once the work was given up."""

    def __init__(self) -> None:
        self._last, self._given_up = clock.monotonic(), False

    def __call__(self, *_progress: object) -> None:
        if self._given_up:
            raise _Abandoned
        self._last = clock.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last progress."""
        return clock.monotonic() - self._last

    def give_up(self) -> None:
        """Make the next call raise."""
        self._given_up = True


class _Work(Generic[Result]):
    """One piece of work in its thread. The thread is a daemon: one that hangs does not keep the process."""

    def __init__(self, work: Callable[[Heartbeat], Result]) -> None:
        self.heartbeat, self.ended = Heartbeat(), threading.Event()
        self.results: list[Result] = []
        self.failures: list[BaseException] = []
        context = copy_context()  # the journal's entry that this belongs to
        self._thread = threading.Thread(target=context.run, args=(self._run, work), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[Heartbeat], Result]) -> None:
        try:
            self.results.append(work(self.heartbeat))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the work was called
            self.failures.append(error)
        finally:
            self.ended.set()


def run_bounded(what: str, work: Callable[[Heartbeat], Result], patience: float) -> Result:
    """The result of `work`, which runs in a thread of its own; its error is raised here.

    Unanswered (1) if the heartbeat that it receives is not called for `patience` seconds. The work is then
    left alone: it ends at its next heartbeat, and never carries on.
    """
    running = _Work(work)
    try:
        while not running.ended.wait(max(0.01, patience - running.heartbeat.silence)):
            if running.heartbeat.silence >= patience:
                raise Unanswered(
                    f"{what} has made no progress for {patience:g} seconds.",
                    hint=Hint("Is its disk or its network there? It is tried again with the next copy."),
                )
    except BaseException:
        running.heartbeat.give_up()
        running.ended.wait(_ENDS)
        raise
    if running.failures:
        raise running.failures[0]
    return running.results[0]
