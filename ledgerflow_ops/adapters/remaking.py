"""Has a server take DDL anew, in an empty database, as far as it can."""

import subprocess
import tempfile
from pathlib import Path

from ledgerflow_ops.adapters import activity, address, process
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.sessions import Purpose
from ledgerflow_ops.adapters.silence import Silence
from ledgerflow_ops.adapters.tools import Tools
from ledgerflow_ops.core.activity import Watcher
from ledgerflow_ops.core.errors import CannotJudge


def remake(tools: Tools, database: Database, script: bytes) -> None:
    """Run a script of `archive.definitions` in `database`, statement by statement, past every error.

    What is refused is not there afterwards, and whoever looks for it sees that. CannotJudge when psql does
    not get to the end of the script.
    """
    at, limits = database.parameters, database.limits
    variables = database.variables(Purpose.LOAD)

    def watched(child: subprocess.Popen[bytes]) -> Watcher:
        return Silence("psql", limits.stall, lambda: activity.look(at, limits.answer, [child.pid]))

    name = address.argument(variables["PGDATABASE"])
    words = ["--no-psqlrc", "--quiet", "--output=/dev/null", f"--dbname={name}"]
    command: list[str | Path] = [tools.path("psql"), *words]
    with tempfile.TemporaryFile() as file:
        file.write(script)
        file.seek(0)
        finished = process.run(command, extra=variables, watched=watched, stdin=file)
    if finished.code:
        raise CannotJudge(
            f"The definitions could not be made once more ({process.ended_by(finished.code)}).",
            hint="This says nothing of the backup. See the server's log; then ask again.",
        )
