"""The entry point of the program `ledgerflow`, which make calls.

Importing the commands takes up to a second. Ctrl-C during the import gets the same answer as later.
"""

import gc
import json
import os
import sys

from ledgerflow_ops.commands.json_flag import json_wanted

_GC_THRESHOLD = 1_000_000
"""Allocations between two garbage collections. A command makes some 800,000 objects that stay, most of them
by importing dagster: collecting eight times meanwhile took a tenth of the CPU and saved 2 MB of 160."""
_MESSAGE, _HINT = "Interrupted.", "Nothing had begun. Run it again."


def main() -> None:
    """Run the command line and exit with its exit code.

    An interpreter that ends looks through all objects once more, to collect what is garbage. For those of
    dagster that took a quarter of the CPU of a backup; frozen ones are left to the end of the process.
    """
    gc.set_threshold(_GC_THRESHOLD)
    try:
        from ledgerflow_ops.commands.program import program
    except KeyboardInterrupt:
        sys.exit(_interrupted())
    try:
        program()
    finally:
        gc.freeze()


def _interrupted() -> int:
    sys.stderr.write(f"error: {_MESSAGE}\nhint: {_HINT}\n")
    if json_wanted():
        error = {"message": _MESSAGE, "hint": _HINT, "kind": "LedgerError"}
        result = {"environment": os.environ.get("LEDGER_ENV"), "exit_code": 1, "error": error}
        sys.stdout.write(json.dumps(result) + "\n")
    return 1
