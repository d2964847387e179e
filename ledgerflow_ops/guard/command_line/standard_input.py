"""The kind of standard input, and whether a program that we query reads it."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.guard.model import Stdin


def standard_input() -> Stdin:
    """The kind of standard input: a terminal, nothing, or data."""
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
def detecting_reads() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A standard input for a program that should not read it, and a function that says whether it has.

    Call the function once the program has ended. Our own standard input cannot be read twice: a program that
    reads it would get other data here than when docker is run.
    """
    read, write = os.pipe()
    os.write(write, b"{")
    os.close(write)
    try:
        yield read, lambda: not os.read(read, 1)
    finally:
        os.close(read)
