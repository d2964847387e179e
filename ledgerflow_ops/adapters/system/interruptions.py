"""Delivers an interruption again that Python has dropped.

Python runs a signal's handler between two bytecodes of the main thread. Inside a finalizer (`__del__`, the
callback of a weak reference) the exception that the handler raises is reported to `sys.unraisablehook` and
then ignored. A signal that arrives during a garbage collection is handled in the first finalizer of that
collection, so the risk lasts as long as the collection. Source: the documentation of `sys.unraisablehook`
and of "Execution of Python signal handlers".
"""

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ledgerflow_ops.adapters.system import clock

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_PAUSE_SECONDS = 0.1
"""Until then the finalizer has ended."""


def redeliver_lost_interruptions() -> None:
    """From now on, send this process the signal again whose exception was raised in a finalizer.

    KeyboardInterrupt stands for SIGINT, any other exception that is no `Exception` for SIGTERM, which is how
    Dagster interrupts a run. All other errors in finalizers go to the earlier hook. Further calls do nothing.
    """
    if getattr(sys.unraisablehook, "__name__", "") != _NAME:
        sys.unraisablehook = _hook(sys.unraisablehook)


def _hook(earlier: Callable[["UnraisableHookArgs"], object]) -> Callable[["UnraisableHookArgs"], object]:
    def redelivering_hook(lost: "UnraisableHookArgs") -> None:
        number = _signal_of(lost.exc_type)
        if number is None or threading.current_thread() is not threading.main_thread():
            earlier(lost)
        else:  # not threading.Thread: a collection may run while the main thread holds a lock of that module
            _thread.start_new_thread(_send, (number,))

    return redelivering_hook


_NAME = "redelivering_hook"


def _signal_of(kind: type[BaseException]) -> signal.Signals | None:
    """The signal that raises `kind`; None if it is no interruption, or if that signal has no handler."""
    if issubclass(kind, Exception | SystemExit | GeneratorExit):
        return None
    number = signal.SIGINT if issubclass(kind, KeyboardInterrupt) else signal.SIGTERM
    return number if callable(signal.getsignal(number)) else None


def _send(number: signal.Signals) -> None:
    clock.pause(_PAUSE_SECONDS)
    os.kill(os.getpid(), number)
