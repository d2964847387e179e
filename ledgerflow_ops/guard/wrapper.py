"""ledger_docker: docker's command line, judged before docker sees it.

    ledger_docker …            as docker …; refused (exit 3) where protected data would be lost
    ledger_docker --explain …  what it would do, and whether it may; nothing is run
    docker-compose, docker     the same, where these names are links to ledger_docker

Most commands read. They are told by their names alone and go straight on, so nothing heavy is imported
here; the settings and the catalog are read when something is at stake.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ledgerflow_ops import places
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call, parse

_REFUSED = 3
_INTERRUPTED = 130


def main() -> NoReturn:
    """Judge the command line, and run it or say why not."""
    # Where it is closed, a refusal is one all the same.
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - as long as we live
    try:
        _run(Path(sys.argv[0]).name, sys.argv[1:])
    except LedgerError as error:
        _say(f"ledger_docker: {error.message}", f"hint: {error.hint}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("ledger_docker: interrupted; nothing was run.")
        sys.exit(_INTERRUPTED)


def _run(name: str, words: Sequence[str]) -> NoReturn:
    program = "docker-compose" if name == "docker-compose" else "docker"
    if words[:1] == ["--explain"]:
        from ledgerflow_ops.guard.pipeline import Pipeline

        sys.exit(Pipeline(parse(program, words[1:])).explain())
    call = parse(program, words)
    behind = real.real(program)
    if call.reads:
        _note_reading(call)
    else:
        from ledgerflow_ops.guard.pipeline import Pipeline

        if not Pipeline(call).hear():
            sys.exit(_REFUSED)
    real.become(behind, call.typed)


def _note_reading(call: Call) -> None:
    """On record like every verdict. That the journal cannot be written keeps nobody from looking."""
    try:
        reason = f"{call.verb or 'docker'} leaves all data as it is"
        audit_log.judged(places.state_dir(), (call.program, *call.typed), allowed=True, reason=reason)
    except (LedgerError, OSError, ValueError) as error:
        _say(f"ledger_docker: not noted in the journal: {error}")


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
