"""Finds the real docker behind the wrapper, and replaces this process by it."""

import os
from pathlib import Path
from typing import NoReturn

from ledgerflow_ops.adapters.services import docker

_TRIED = "LEDGER_DOCKER_TRIED"
_NOT_FOUND = 127


def real(program: str) -> Path:
    """The first `program` on the PATH that is not this wrapper, nor a script that leads back to it."""
    tried = _tried()
    found = next((path for path in docker.real_programs(program) if str(path) not in tried), None)
    if found:
        return found
    every = f"Install {program}, or put its folder on the PATH; which -a {program} lists all of them."
    raise _error(f"There is no real {program} on the PATH behind ledger_docker.", every, _NOT_FOUND)


def become(program: Path, words: tuple[str, ...]) -> NoReturn:
    """Replace this process by the real program: the same process id, terminal, signals and exit code.

    Its path is recorded in a variable, so that a script that calls the wrapper again is not tried twice.
    """
    os.environ[_TRIED] = f"{os.getpid()}={os.pathsep.join([*_tried(), str(program)])}"
    try:
        os.execv(program, [program.name, *words])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        alone = f"Try it by itself: {program} version"
        raise _error(f"{program} could not be started: {error.strerror}.", alone) from None


def _error(message: str, hint: str, code: int = 1) -> Exception:
    from ledgerflow_ops.core.errors import LedgerError  # a reading command imports nothing slow
    from ledgerflow_ops.core.hints import Hint

    error = LedgerError(message, hint=Hint(hint))
    error.exit_code = code
    return error


def _tried() -> list[str]:
    """The programs that this process has already tried; a child process starts with none."""
    process, _, paths = os.environ.get(_TRIED, "").partition("=")
    return paths.split(os.pathsep) if process == str(os.getpid()) else []
