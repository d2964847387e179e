"""The program `ledgerflow`, which make calls: how it begins.

Its commands take a second to import. Who presses Ctrl-C meanwhile is answered as at any other time.
"""

import gc
import json
import os
import sys

from ledgerflow_ops.commands.json_flag import json_wanted

_COLLECTED_EVERY = 100_000
"""Objects between two collections of garbage. Importing dagster makes a million that all stay; looking
through them again and again took a tenth of a whole backup of the sample."""
_MESSAGE, _HINT = "Interrupted.", "Nothing had begun. Run it again."


def main() -> None:
    """Carry out the command line; ends with its exit code."""
    gc.set_threshold(_COLLECTED_EVERY)
    try:
        from ledgerflow_ops.commands.program import program
    except KeyboardInterrupt:
        sys.exit(_interrupted())
    program()


def _interrupted() -> int:
    sys.stderr.write(f"error: {_MESSAGE}\nhint: {_HINT}\n")
    if json_wanted():
        error = {"message": _MESSAGE, "hint": _HINT, "kind": "LedgerError"}
        told = {"environment": os.environ.get("LEDGER_ENV"), "exit_code": 1, "error": error}
        sys.stdout.write(json.dumps(told) + "\n")
    return 1
