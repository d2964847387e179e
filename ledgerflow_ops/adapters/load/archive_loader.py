"""Loads an archive into an empty database by pg_restore, in stages: see `core/loading/load_order.py`."""

import re
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.connection import address, session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import All, Locks, Silence
from ledgerflow_ops.adapters.connection.session_settings import Purpose
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Finished
from ledgerflow_ops.core.comparison import column_options
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.loading import transaction_timeout
from ledgerflow_ops.core.loading.load_order import PRE_DATA, Stage, definitions_stage, stages
from ledgerflow_ops.core.postgres.session_activity import Watcher


@dataclass(frozen=True, slots=True)
class Load:
    """How an archive is loaded.

    Without `owners`, ownership and grants are left out: for when the roles are not known. Without
    `tablespaces` everything goes into the database's own. Of columns, the options in `without` are left
    out: for a server that refuses them.
    """

    jobs: int
    owners: bool = True
    tablespaces: bool = False
    without: Collection[str] = ()

    @property
    def options(self) -> list[str]:
        """What pg_restore is told in every stage."""
        left_out = [] if self.owners else ["--no-owner", "--no-privileges"]
        return left_out if self.tablespaces else ["--no-tablespaces", *left_out]


@dataclass(frozen=True, slots=True)
class Loaded:
    """How far it came: `stage` is the last one begun; `errors` is all that pg_restore said."""

    code: int
    errors: str
    stage: str


def load(tools: Tools, database: Database, file: Path, how: Load) -> Loaded:
    """Load `file` into `database`, which is empty; the first error ends it.

    BadBackup when the archive's table of contents cannot be read, LedgerError when neither a program nor
    the server gets on any more.
    """
    at_work = _Loading(tools, database, database.variables(Purpose.LOAD), file, how)
    said, done = "", Loaded(0, "", "")
    for stage in stages(archive.entries(tools, file)):
        finished = at_work.run(stage)
        said += finished.errors
        done = Loaded(finished.code, said, stage.name)
        if finished.code:
            break
    return done


def remake(tools: Tools, database: Database, file: Path, how: Load) -> None:
    """Make the definitions of the archive in `file` once more in `database`, past every error.

    What is refused is not there afterwards, and whoever looks for it sees that. CannotJudge when this was cut
    short. Entries are left out by their numbers: in their text, anything may look like another entry.
    """
    at_work = _Loading(tools, database, database.variables(Purpose.LOAD), file, how)
    finished = at_work.past_errors(definitions_stage(archive.entries(tools, file)))
    if finished.code < 0 or _CUT_SHORT.search(finished.errors):
        raise CannotJudge(
            f"The definitions could not be made once more:\n{process.last_lines(finished.errors)}",
            hint=Hint("This says nothing of the backup. Mend what the lines above say; then ask again."),
        )


_CUT_SHORT = re.compile(
    "No space left on device|could not extend file|out of (?:shared )?memory|server closed the connection"
    "|terminating connection|no connection to the server|the database system is"
)


@dataclass(frozen=True, slots=True)
class _Loading:
    """One archive on its way into one database."""

    tools: Tools
    database: Database
    variables: dict[str, str]
    file: Path
    how: Load

    def run(self, stage: Stage) -> Finished:
        if self.how.without and PRE_DATA in stage.sections:
            finished = self._pre_data(replace(stage, sections=(PRE_DATA,)))
            if finished.code:
                return finished
            stage = replace(stage, sections=tuple(one for one in stage.sections if one != PRE_DATA))
        name = address.argument(self.variables["PGDATABASE"])
        jobs = self.how.jobs if stage.parallel else 1
        finished = self._restore(stage, ["--exit-on-error", f"--jobs={jobs}", f"--dbname={name}"])
        if transaction_timeout.caused_failure(finished.errors):
            finished = self._restore(stage, [f"--dbname={name}"])
            code = 0 if transaction_timeout.is_only_error(finished.errors) else finished.code
            finished = replace(finished, code=code, errors=transaction_timeout.without_error(finished.errors))
        return finished

    def past_errors(self, stage: Stage) -> Finished:
        """All of the stage that the server takes, by one job."""
        if self.how.without:
            self._pre_data(replace(stage, sections=(PRE_DATA,)))
            stage = replace(stage, sections=tuple(one for one in stage.sections if one != PRE_DATA))
        return self._restore(stage, [f"--dbname={address.argument(self.variables['PGDATABASE'])}"])

    def _pre_data(self, stage: Stage) -> Finished:
        """The archive's first section as text, less what is refused, run by psql: pg_restore cannot."""
        printed = self._restore(stage, ["--file=-"])
        if printed.code:
            return printed
        text = column_options.without_options(
            transaction_timeout.script_without(printed.out), self.how.without
        )
        with process.unnamed_file(text) as script:
            words = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
            return self._watched("psql", words, stdin=script)

    def _restore(self, stage: Stage, options: list[str]) -> Finished:
        """One run of pg_restore on the entries of a stage. Their list has no name that a kill would leave."""
        with process.unnamed_file(stage.list) as listed:
            options = [*options, *(f"--section={section}" for section in stage.sections)]
            options += ["--use-list=/dev/stdin", *self.how.options]
            return self._watched("pg_restore", [*options, self.file], stdin=listed)

    def _watched(self, program: str, words: Sequence[str | Path], **streams: Any) -> Finished:
        """A program at work on the database. An index takes as long as it takes: that is no stall."""
        at, limits = self.database.parameters, self.database.limits

        def watched(child: subprocess.Popen[bytes]) -> Watcher:
            return All(
                Silence(
                    program, limits.stall, lambda: session_activity.activity(at, limits.answer, [child.pid])
                ),
                Locks(limits.lock, lambda: session_activity.lock_waits(at, limits.answer)),
            )

        command = [self.tools.path(program), *words]
        return process.run(command, extra=self.variables, watched=watched, **streams)
