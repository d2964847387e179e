"""The scripts that run in a container, in every shell of this machine: output, end, and leftovers."""

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.services.container import script
from ledgerflow_ops_tests.fakes import programs, sandboxes

SHELLS = [[found] for name in ("sh", "dash", "bash") if (found := shutil.which(name))]
SHELLS += [[found, "sh"] for found in [shutil.which("busybox")] if found]  # Alpine's


@pytest.fixture(params=SHELLS, ids=lambda words: Path(words[-1]).name)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


@pytest.fixture
def mark() -> str:
    """A variable in the environment of a program and of all its children."""
    return secrets.token_hex(8)


def watched(shell: list[str], mark: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*shell, "-c", script("watched.sh"), "sh", *words],
        env={**os.environ, "MARK": mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class TestWatched:
    def test_output_errors_and_exit_code_are_the_programs(self, shell: list[str], mark: str) -> None:
        with watched(shell, mark, "sh", "-c", "echo out; echo problem >&2; cat; exit 7") as child:
            assert child.stdout
            assert child.stderr
            assert child.stdout.read() == b"out\n"
            assert child.stderr.read() == b"problem\n"
            assert child.wait(timeout=10) == 7
            assert not sandboxes.processes_marked(mark), "a child left behind would become PostgreSQL's"

    def test_the_program_ends_with_whoever_asked_for_it(self, shell: list[str], mark: str) -> None:
        with watched(shell, mark, "sleep", "600") as child:
            assert sandboxes.wait_until(lambda: "sleep" in sandboxes.processes_marked(mark))
            child.communicate(timeout=10)
            assert child.returncode == 128 + signal.SIGTERM
            assert not sandboxes.processes_marked(mark)

    def test_it_ends_also_when_nobody_reads_what_it_writes(self, shell: list[str], mark: str) -> None:
        with watched(shell, mark, "sh", "-c", "while :; do echo much; done") as child:
            assert sandboxes.wait_until(lambda: len(sandboxes.processes_marked(mark)) > 1)
            assert child.stdin
            child.stdin.close()
            assert child.wait(timeout=10) == 128 + signal.SIGTERM
            assert not sandboxes.processes_marked(mark)

    def test_a_program_that_is_not_there_is_reported(self, shell: list[str], mark: str) -> None:
        with watched(shell, mark, "no_such_program") as child:
            assert child.wait(timeout=10) == 127
            assert child.stderr
            assert b"no_such_program" in child.stderr.read()


class TestLook:
    def answers(self, shell: list[str], root: Path, **variables: str) -> list[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("POSTGRES_")}
        programs.write(
            root / "pg_dump", 'case "$*" in --version) echo "pg_dump 17.9" ;; *) echo said >&2 ;; esac'
        )
        environment = {**clean, "PATH": f"{root}{os.pathsep}{os.environ['PATH']}", **variables}
        done = subprocess.run(
            [*shell, "-c", script("inspect.sh")], env=environment, capture_output=True, check=True, text=True
        )
        assert not done.stderr
        return done.stdout.split("\0")

    def test_without_variables_the_images_defaults_hold(self, shell: list[str], root: Path) -> None:
        assert self.answers(shell, root) == [
            "postgres",
            "postgres",
            "5432",
            "bash",
            "pg_dump 17.9",
            "said",
            "",
        ]

    def test_names_come_from_variables_or_from_the_files_they_name(
        self, shell: list[str], root: Path
    ) -> None:
        (root / "user").write_text("own'er $x\n")
        answers = self.answers(shell, root, POSTGRES_USER_FILE=str(root / "user"), PGPORT="6000")
        assert answers[:3] == ["own'er $x", "own'er $x", "6000"]
        given = self.answers(shell, root, POSTGRES_USER="a b", POSTGRES_DB="book s")
        assert given[:2] == ["a b", "book s"]
