"""Ctrl-C, a request to terminate, and a tool that hangs: incomplete files are removed at once."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.progress import BACKUP_STEPS, DRILL_STEPS, Step
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.fakes import commands, programs, sandboxes
from ledgerflow_ops_tests.fakes.commands import Commands
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        databases.temporary_database(embedded.start()) as database,
    ):
        databases.fill_small(database)
        sandbox = Sandbox(root, database).with_files()
        sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
        yield sandbox


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, embedded: EmbeddedPostgres) -> Iterator[Commands]:
    with commands.storage(embedded) as storage:
        yield Commands(sandbox, storage)


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", BACKUP_STEPS)
def test_a_backup_interrupted_at_any_step_takes_back_all_it_had_done(sandbox: Sandbox, step: Step) -> None:
    files = sandbox.files()
    with pytest.raises(KeyboardInterrupt):
        sandboxes.take_backup(sandbox.env(ActionAtStep(at=step, action=_interrupt)))
    assert sandbox.files() == files


@pytest.mark.parametrize("step", DRILL_STEPS)
def test_a_drill_interrupted_at_any_step_takes_its_server_with_it(sandbox: Sandbox, step: Step) -> None:
    name, keys = sandbox.entries()[0].name, list[str]()
    files = sandbox.files()

    def interrupt() -> None:
        keys.extend(sandbox.drill_keys())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drill.drill(sandbox.env(ActionAtStep(at=step, action=interrupt)), name)
    assert sandbox.files() == files
    assert sandbox.traces(keys) == []


@pytest.mark.parametrize(
    ("program", "when", "number"),
    [
        ("pg_dump", programs.DUMPS, signal.SIGINT),
        ("pg_dump", programs.DUMPS, signal.SIGTERM),
        ("pg_restore", programs.RESTORES, signal.SIGTERM),
        ("pg_restore", programs.RESTORES, signal.SIGHUP),
    ],
)
def test_the_command_ends_at_once_when_it_is_asked_to(
    terminal: Commands, root: Path, program: str, when: str, number: signal.Signals
) -> None:
    # A tool that hangs, and that is a script around what hangs: a wrapper of docker exec is one.
    hanging = root / "hanging"
    tools_dir = programs.falsified(root / "tools", program, when, f"touch {hanging}; sleep 600; exit 1")
    sandbox, mark = terminal.sandbox, root.name
    files, states = sandbox.files(), sandbox.states()
    child = terminal.start("backup", LEDGER_TOOLS_DIR=str(tools_dir), FAULT_MARK=mark)
    sandboxes.wait_until(lambda: hanging.exists() or child.poll() is not None, commands.PATIENCE)
    assert hanging.exists(), "the fault never fired"
    keys = sandbox.drill_keys()
    os.kill(child.pid, number)
    finished = commands.ended(child)

    assert finished.code == 1
    assert "error: Interrupted." in finished.errors
    assert "Nothing incomplete was kept." in finished.errors
    assert "Traceback" not in finished.words
    assert sandboxes.wait_until(lambda: sandboxes.processes_marked(mark) == []), (
        "a process of the dead command is left"
    )
    assert sandbox.traces(keys) == []
    assert sandbox.unfinished() == []
    assert files.items() <= sandbox.files().items()
    added = {stem: state for stem, state in sandbox.states().items() if stem not in states}
    # In mid-drill the dump is whole and was verified; nobody says that it is proven.
    assert list(added.values()) == ([] if program == "pg_dump" else ["readable"])


_BETWEEN = """
from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import SilentReporter, Step
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.operations.context import OperationContext

class Interrupting(SilentReporter):
    def step(self, step):
        if step is Step.SEAL:
            process.start_program(["sleep", "600"], extra={})
            raise KeyboardInterrupt

env = OperationContext(config.load(), Interrupting()).env(Environment.DEV)
print(run_job(env, BackupRequest(), env.today()).failure.message)
"""


def test_what_was_just_started_is_ended_though_nobody_looked_after_it_yet(
    terminal: Commands, root: Path
) -> None:
    """The interruption comes before the line that would supervise the program, and Dagster catches it."""
    mark = root.name
    child = terminal.start("-c", _BETWEEN, program=[sys.executable], FAULT_MARK=mark)
    finished = commands.ended(child)
    assert finished.out == "Interrupted.\n", finished.words
    assert sandboxes.wait_until(lambda: sandboxes.processes_marked(mark) == []), "a program outlived the run"


_IN_A_FINALIZER = """
import os, signal, time

from ledgerflow_ops import config
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import SilentReporter, Step
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.operations.context import OperationContext

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

class Interrupting(SilentReporter):
    def step(self, step):
        if step is Step.SEAL:
            Finalized()
            time.sleep(60)

env = OperationContext(config.load(), Interrupting()).env(Environment.DEV)
print(run_job(env, BackupRequest(), env.today()).failure.message)
"""


def test_an_interruption_that_python_drops_ends_the_run_all_the_same(terminal: Commands) -> None:
    files = terminal.sandbox.files()
    finished = commands.ended(terminal.start("-c", _IN_A_FINALIZER, program=[sys.executable]))
    assert finished.out == "Interrupted.\n", finished.words
    assert terminal.sandbox.files() == files


_OVERDUE = """
from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.operations.context import OperationContext

env = OperationContext(config.load()).env(Environment.DEV)
deadline.start_deadline(0.1)
failure = run_job(env, BackupRequest(), env.today()).failure
print(failure.exit_code, failure.message)
print(failure.hint)
"""


def test_a_command_that_takes_longer_than_the_daemon_allows_is_ended(terminal: Commands, root: Path) -> None:
    hanging, mark = root / "hanging", root.name
    tools_dir = programs.falsified(
        root / "tools", "pg_dump", programs.DUMPS, f"touch {hanging}; sleep 600; exit 1"
    )
    known = {"LEDGER_TOOLS_DIR": str(tools_dir), "FAULT_MARK": mark}
    files = terminal.sandbox.files()
    finished = commands.ended(terminal.start("-c", _OVERDUE, program=[sys.executable], **known))
    assert hanging.exists(), "the fault never fired"
    assert finished.out.splitlines()[0] == "1 Ended: it has taken longer than 0.1 minutes.", finished.words
    assert "backup_minutes" in finished.out
    assert sandboxes.wait_until(lambda: sandboxes.processes_marked(mark) == []), (
        "a program outlived the command"
    )
    assert terminal.sandbox.files() == files


def test_the_next_command_works_without_help(terminal: Commands) -> None:
    finished = terminal.run("backup", "--json")
    assert (finished.code, finished.json["rung"], finished.json["proven"]) == (0, "valid", True)
    made = BackupName.of(Path(finished.json["file"]).name)
    assert terminal.sandbox.states()[made.stem] == "valid"
