"""What pg_dump and pg_restore print reaches the reporter while they run, without passwords."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import programs, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

SECRET = "postgresql://clerk:s3cret@127.0.0.1:1/books"


@dataclass
class Releasing(Recorder):
    """Creates a file once the program that waits for it has printed its line."""

    release: Path = Path()

    def printed(self, line: str) -> None:
        super().printed(line)
        if "waits for" in line:
            self.release.touch()


def waiting(root: Path) -> str:
    """A script that prints a line, and goes on only when somebody has read it."""
    line = f"program: detail: waits for {SECRET}"
    return f'echo \'{line}\' >&2; while [ ! -e {root}/go ]; do sleep 0.05; done; exec "$real" "$@"'


def test_lines_of_pg_dump_are_reported_while_it_runs(sandbox: Sandbox, root: Path) -> None:
    tools = programs.falsified(root / "tools", "pg_dump", "--format=custom", waiting(root))
    reporter = Releasing(release=root / "go")
    sandboxes.take_backup(sandboxes.with_settings(sandbox.env(reporter=reporter), tools_dir=tools))
    waited, ended = reporter.lines
    assert waited == "program: detail: waits for postgresql://clerk:***@127.0.0.1:1/books"
    assert ended.startswith("pg_dump ")
    assert ": exit code 0 after " in ended


def test_lines_of_pg_restore_are_reported_while_it_runs(sandbox: Sandbox, root: Path) -> None:
    manifest = sandboxes.take_backup(sandbox.env())
    tools = programs.falsified(root / "tools", "pg_restore", programs.RESTORES, waiting(root))
    reporter = Releasing(release=root / "go")
    env = sandboxes.with_settings(sandbox.env(reporter=reporter), tools_dir=tools)
    sandboxes.prove_backup(env, manifest)
    assert "program: detail: waits for postgresql://clerk:***@127.0.0.1:1/books" in reporter.lines
    ended = [line for line in reporter.lines if ": exit code 0 after " in line]
    assert [line.split(", ")[1].split(":")[0] for line in ended][:2] == ["data", "indexes"]
    assert not any("s3cret" in line for line in reporter.lines)


def test_how_a_pg_dump_failed_is_reported(sandbox: Sandbox, root: Path) -> None:
    script = "echo 'pg_dump: error: no space' >&2; exit 1"
    tools = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    reporter, files = Recorder(), sandbox.files()
    with pytest.raises(LedgerError, match="pg_dump failed"):
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(reporter=reporter), tools_dir=tools))
    error, ended = reporter.lines
    assert error == "pg_dump: error: no space"
    assert ": exit code 1 after " in ended
    assert sandbox.files() == files
