"""Finds the real docker on the PATH, behind our wrapper of the same name."""

import os
from collections.abc import Iterator
from pathlib import Path

NAME = "docker"
_WRAPPER = "ledger_docker"
_MARKS = (b"ledgerflow_ops.guard", _WRAPPER.encode())
_START = 4096


def docker_program() -> Path | None:
    """The docker that our own operations use; None if there is none.

    The wrapper judges commands that people type. Our own commands have been checked by their operation, and
    the wrapper must not stop a backup that it has started itself.
    """
    return next(real_programs(NAME), None)


def real_programs(name: str) -> Iterator[Path]:
    """Every program of that name on the PATH, in the order of the PATH, without the wrapper."""
    for folder in os.get_exec_path():
        path = Path(folder or ".") / name
        if path.is_file() and os.access(path, os.X_OK) and not is_wrapper(path):
            yield path.absolute()


def is_wrapper(path: Path) -> bool:
    """Whether it is our console script, a link to it, or a script that calls it."""
    if path.resolve().name == _WRAPPER:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError:
        return False
    return start.startswith(b"#!") and any(mark in start for mark in _MARKS)
