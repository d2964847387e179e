"""ledger_docker: judges docker's command line before docker runs.

    ledger_docker …            as docker …; refused (exit 3) if protected data would be lost
    ledger_docker --explain …  prints what it would do, and whether it may; nothing is run
    docker-compose, docker     the same, if these names are links to ledger_docker

Most commands only read, and most of the others reach nothing that is protected. So nothing slow is imported
here, and the settings and the catalog are read only where a backup is needed.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard import quick

_REFUSED = 3
_INTERRUPTED = 130


def main() -> NoReturn:
    """Judge the command line, then run it or report why not."""
    # With stderr closed, a refusal must still be a refusal.
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123 - as long as we live
    try:
        _run(os.path.basename(sys.argv[0]), sys.argv[1:])  # noqa: PTH119 - pathlib is imported where it is needed
    except KeyboardInterrupt:
        _say("ledger_docker: interrupted; nothing was run.")
        sys.exit(_INTERRUPTED)
    except Exception as error:
        from ledgerflow_ops.core.errors import LedgerError

        _speak_of_commands()
        if not isinstance(error, LedgerError):
            raise
        _say(f"ledger_docker: {error.message}", f"hint: {error.hint}")
        sys.exit(error.exit_code)


def _run(name: str, words: Sequence[str]) -> NoReturn:
    program = "docker-compose" if name == "docker-compose" else "docker"
    if program == "docker" and quick.only_reads(words):
        behind = real.real(program)
        try:
            quick.record(words)
        except (OSError, ValueError) as error:
            _say(f"ledger_docker: not recorded in the journal: {error}")
        real.become(behind, tuple(words))
    from ledgerflow_ops.guard.pipeline import Pipeline, parse

    _speak_of_commands()
    if words[:1] == ["--explain"]:
        sys.exit(Pipeline(parse(program, words[1:])).explain())
    call = parse(program, words)
    behind = real.real(program)
    if not Pipeline(call).decide():
        sys.exit(_REFUSED)
    real.become(behind, call.typed)


def _speak_of_commands() -> None:
    """Hints name make's targets in a clone, and the program's commands where there is no Makefile."""
    from ledgerflow_ops import places
    from ledgerflow_ops.core.hints import Make

    Make.by_program = not places.IN_CLONE


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
