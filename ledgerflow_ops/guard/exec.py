"""Finds the real docker behind the wrapper, and becomes it."""

import os
from pathlib import Path
from typing import NoReturn

from ledgerflow_ops.adapters.services import docker
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

_TRIED = "LEDGER_DOCKER_TRIED"


class NotFound(LedgerError):
    """There is no real program behind the wrapper."""

    exit_code = 127


def real(program: str) -> Path:
    """The first `program` on the PATH that is not this wrapper, nor a script that leads back to it."""
    tried = _tried()
    for found in docker.real_programs(program):
        if str(found) not in tried:
            return found
    raise NotFound(
        f"There is no real {program} on the PATH behind ledger_docker.",
        hint=Hint(
            f"Install {program}, or put its folder on the PATH; which -a {program} lists what is there."
        ),
    )


def become(program: Path, words: tuple[str, ...]) -> NoReturn:
    """Run the real program in our place: the same process, terminal, signals and exit code.

    Its path is noted, so that a script which leads back here is not tried a second time.
    """
    os.environ[_TRIED] = f"{os.getpid()}={os.pathsep.join([*_tried(), str(program)])}"
    try:
        os.execv(program, [program.name, *words])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        raise LedgerError(
            f"{program} could not be started: {error.strerror}.",
            hint=Hint(f"Try it by itself: {program} version"),
        ) from None


def _tried() -> list[str]:
    """What has been tried by this very process: a child of the real docker begins anew."""
    process, _, paths = os.environ.get(_TRIED, "").partition("=")
    return paths.split(os.pathsep) if process == str(os.getpid()) else []
