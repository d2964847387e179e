"""ledger_docker: judges docker's command line before docker runs.

    ledger_docker …            as docker …; refused (exit 3) if protected data would be lost
    ledger_docker --explain …  prints what it would do, and whether it may; nothing is run
    docker-compose, docker     the same, if these names are links to ledger_docker

Most commands only read. They are recognized by their names and passed on at once, so nothing slow is imported
here; the settings and the catalog are read only for the others.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ledgerflow_ops import places
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Make
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call, parse

_REFUSED = 3
_INTERRUPTED = 130


def main() -> NoReturn:
    """Judge the command line, then run it or report why not."""
    # With stderr closed, a refusal must still be a refusal.
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - as long as we live
    Make.by_program = not places.IN_CLONE
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

        if not Pipeline(call).decide():
            sys.exit(_REFUSED)
    real.become(behind, call.typed)


def _note_reading(call: Call) -> None:
    """Record a reading command. It runs even if the journal cannot be written."""
    try:
        reason = f"{call.verb or 'docker'} never changes data"
        audit_log.record_verdict(places.state_dir(), (call.program, *call.typed), allowed=True, reason=reason)
    except (LedgerError, OSError, ValueError) as error:
        _say(f"ledger_docker: not recorded in the journal: {error}")


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
