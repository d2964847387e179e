"""What standard input is, and whether a program that we ask reads it."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.guard.model import Stdin


def standard_input() -> Stdin:
    """What standard input is: a terminal, nothing at all, or something that is read."""
    try:
        if os.isatty(0):
            return Stdin.TERMINAL
        mode = os.fstat(0)
    except OSError:
        return Stdin.NOTHING
    if stat.S_ISCHR(mode.st_mode) and mode.st_rdev == Path(os.devnull).stat().st_rdev:
        return Stdin.NOTHING
    return Stdin.DATA


@contextmanager
def bait() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A standard input for a program that should not read it, and whether it has, once it has ended.

    Ours cannot be read twice. A program that takes the bait would be told something else when it is run.
    """
    read, write = os.pipe()
    os.write(write, b"{")
    os.close(write)
    try:
        yield read, lambda: not os.read(read, 1)
    finally:
        os.close(read)
