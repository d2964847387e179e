"""Finds the real docker, behind a wrapper of ours that bears its name."""

import os
from collections.abc import Iterator
from pathlib import Path

NAME = "docker"
_WRAPPER = "ledger_docker"
_MARKS = (b"ledgerflow_ops.guard", _WRAPPER.encode())
_START = 4096


def program() -> Path | None:
    """The docker that our own operations use; None where there is none.

    The wrapper judges what people type. What we run has been judged by the guards of its operation, and
    a backup that the wrapper asks for must not be stopped by it.
    """
    return next(real(NAME), None)


def real(name: str) -> Iterator[Path]:
    """Every program of that name on the PATH, in its order, that is not the wrapper."""
    for folder in os.get_exec_path():
        found = Path(folder or ".") / name
        if found.is_file() and os.access(found, os.X_OK) and not is_wrapper(found):
            yield found.absolute()


def is_wrapper(found: Path) -> bool:
    """Whether it is our console script, a link to it, or a script that calls it."""
    if found.resolve().name == _WRAPPER:
        return True
    try:
        with found.open("rb") as file:
            start = file.read(_START)
    except OSError:
        return False
    return start.startswith(b"#!") and any(mark in start for mark in _MARKS)
