"""Restores an archive into an empty database by pg_restore, in the stages of `core/loading/load_order.py`."""

import re
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.connection import address, session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import CombinedWatcher, LockWaitWatcher, StallWatcher
from ledgerflow_ops.adapters.connection.session_settings import Purpose
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.load.streamed_input import streamed_input
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.system import memory_files, process
from ledgerflow_ops.adapters.system.process import Finished
from ledgerflow_ops.core.comparison import column_options
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.loading import transaction_timeout
from ledgerflow_ops.core.loading.load_order import DATA, PRE_DATA, Stage, definitions_stage, stages
from ledgerflow_ops.core.postgres.session_activity import Watcher
from ledgerflow_ops.core.program_output import ProgramOutput


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How an archive is loaded.

    Without `owners`, ownership and grants are left out, because the roles may not exist. Without
    `tablespaces` everything is created in the database's default tablespace. The column options in `without`
    are left out, because the server refuses them. `progress` is asked to watch every program of the load, and
    `printed` receives the lines that they print. With `data` the file has only the archive's definitions, and
    the data is streamed from there: by one job, since several would need a file.
    """

    jobs: int
    owners: bool = True
    tablespaces: bool = False
    without: Collection[str] = ()
    progress: Watcher | None = None
    data: StoredFile | None = None
    printed: Callable[[str], None] | None = None

    @property
    def options(self) -> list[str]:
        """The options of pg_restore in every stage."""
        left_out = [] if self.owners else ["--no-owner", "--no-privileges"]
        return left_out if self.tablespaces else ["--no-tablespaces", *left_out]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The exit code of the last stage that was begun, its name, and all errors of pg_restore."""

    code: int
    errors: str
    stage: str


def load_archive(tools: Tools, database: Database, file: Path, options: LoadOptions) -> LoadResult:
    """Load `file` into the empty `database`, up to the first error, which is in the result.

    BadBackup if the archive's table of contents cannot be read, LedgerError if program and server make no
    progress any more.
    """
    loader = _Loader(tools, database, database.variables(Purpose.LOAD), file, options)
    messages, result = "", LoadResult(0, "", "")
    for stage in stages(archive.list_entries(tools, file)):
        finished = loader.run(stage)
        messages += finished.errors
        result = LoadResult(finished.code, messages, stage.name)
        if finished.code:
            break
    return result


def recreate_definitions(tools: Tools, database: Database, file: Path, options: LoadOptions) -> None:
    """Create the definitions of the archive in `file` in `database`, and go on after errors.

    An object that the server refuses is missing afterwards, which the caller checks. CannotJudge if the run
    was cut short. Entries are left out by their numbers, because their text could look like another entry.
    """
    loader = _Loader(tools, database, database.variables(Purpose.LOAD), file, options)
    finished = loader.past_errors(definitions_stage(archive.list_entries(tools, file)))
    if finished.code < 0 or _CUT_SHORT.search(finished.errors):
        raise CannotJudge(
            f"The definitions could not be created again:\n{process.last_lines(finished.errors)}",
            hint=Hint("This says nothing about the backup. Fix the cause shown above; then run it again."),
        )


_CUT_SHORT = re.compile(
    "No space left on device|could not extend file|out of (?:shared )?memory|server closed the connection"
    "|terminating connection|no connection to the server|the database system is"
)


@dataclass(frozen=True, slots=True)
class _Loader:
    """Runs pg_restore and psql for one archive and one database."""

    tools: Tools
    database: Database
    variables: dict[str, str]
    file: Path
    options: LoadOptions

    def run(self, stage: Stage) -> Finished:
        alone = self.options.without or self.options.data
        if alone and PRE_DATA in stage.sections:
            finished = self._pre_data(replace(stage, sections=(PRE_DATA,)))
            if finished.code:
                return finished
            stage = replace(
                stage, sections=tuple(section for section in stage.sections if section != PRE_DATA)
            )
        name = address.dbname_argument(self.variables["PGDATABASE"])
        if self.options.data and DATA in stage.sections:
            return self._stream(stage, self.options.data, name)
        jobs = self.options.jobs if stage.parallel else 1
        finished = self._restore(stage, ["--exit-on-error", f"--jobs={jobs}", f"--dbname={name}"])
        if transaction_timeout.caused_failure(finished.errors):
            finished = self._restore(stage, [f"--dbname={name}"])
            code = 0 if transaction_timeout.is_only_error(finished.errors) else finished.code
            finished = replace(finished, code=code, errors=transaction_timeout.without_error(finished.errors))
        return finished

    def past_errors(self, stage: Stage) -> Finished:
        """Restore a stage with one job, and go on after errors."""
        if self.options.without:
            self._pre_data(replace(stage, sections=(PRE_DATA,)))
            stage = replace(
                stage, sections=tuple(section for section in stage.sections if section != PRE_DATA)
            )
        return self._restore(stage, [f"--dbname={address.dbname_argument(self.variables['PGDATABASE'])}"])

    def _pre_data(self, stage: Stage) -> Finished:
        """Restore the pre-data section by psql, without the refused column options."""
        printed = self._restore(stage, ["--file=-"])
        if printed.code:
            return printed
        text = column_options.without_options(
            transaction_timeout.script_without(printed.out), self.options.without
        )
        with process.unnamed_file(text) as script:
            arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
            return self._watched("psql", arguments, stage.name, stdin=script)

    def _stream(self, stage: Stage, data: StoredFile, name: str) -> Finished:
        """Restore the data section from the stream, in the archive's order.

        BadBackup if it does not decrypt to its end.
        """
        options = ["--exit-on-error", f"--section={DATA}", f"--dbname={name}", *self.options.options]
        with streamed_input(data) as stream, memory_files.readable_path(stage.list) as entry_list:
            options.append(f"--use-list={entry_list}")
            finished = self._watched("pg_restore", options, stage.name, stdin=stream.descriptor)
            stream.finish(finished.code)
        return finished

    def _restore(self, stage: Stage, options: list[str]) -> Finished:
        """Run pg_restore on the entries of a stage. Their list is an unnamed file."""
        with process.unnamed_file(stage.list) as entry_list:
            options = [*options, *(f"--section={section}" for section in stage.sections)]
            options += ["--use-list=/dev/stdin", *self.options.options]
            return self._watched("pg_restore", [*options, self.file], stage.name, stdin=entry_list)

    def _watched(self, program: str, arguments: Sequence[str | Path], stage: str, **streams: Any) -> Finished:
        """Run a program on the database with watchers. Building an index for hours is no stall."""
        at, limits = self.database.parameters, self.database.limits

        def watched(child: subprocess.Popen[bytes]) -> Watcher:
            progress = [self.options.progress] if self.options.progress else []
            return CombinedWatcher(
                *progress,
                StallWatcher(
                    program,
                    limits.stall,
                    lambda: session_activity.current_activity(at, limits.answer, [child.pid]),
                ),
                LockWaitWatcher(limits.lock, lambda: session_activity.lock_waits(at, limits.answer)),
            )

        command = [self.tools.path(program), *arguments]
        report = self.options.printed
        printed = ProgramOutput(f"{program} {self.tools.version}, {stage}", report) if report else None
        return process.run(command, extra=self.variables, watched=watched, printed=printed, **streams)
