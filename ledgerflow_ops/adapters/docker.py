"""Finds the docker that our own operations use: the real one, behind a wrapper of ours of that name."""

import os
from pathlib import Path

NAME = "docker"
_WRAPPER = "ledger_docker"
_MARKS = (b"ledgerflow_ops.guard", _WRAPPER.encode())
_START = 4096


def program() -> Path | None:
    """The first docker on the PATH that is not the wrapper; None where there is none.

    The wrapper judges what people type. What we run has been judged by the guards of its operation, and
    a backup that the wrapper asks for must not be stopped by it.
    """
    for folder in os.get_exec_path():
        found = Path(folder or ".") / NAME
        if found.is_file() and os.access(found, os.X_OK) and not _is_wrapper(found):
            return found.absolute()
    return None


def _is_wrapper(found: Path) -> bool:
    """Whether it is our console script, a link to it, or a script that calls it."""
    if found.resolve().name == _WRAPPER:
        return True
    try:
        with found.open("rb") as file:
            start = file.read(_START)
    except OSError:
        return False
    return start.startswith(b"#!") and any(mark in start for mark in _MARKS)
