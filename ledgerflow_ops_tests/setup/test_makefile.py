"""The Makefile: what is typed reaches the program unchanged, and the set-up runs only when needed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MAKE = shutil.which("make") or "make"

OPERATIONS = (
    *("backup", "backfill", "verify", "restore-test", "status", "doctor", "tools", "identity", "up", "down"),
    *("alert-test", "watchdog"),
    *("rotate", "pin", "unpin", "quarantine", "keys", "rekey", "recovery-kit"),
    *("journal", "report", "metrics", "archive", "repair", "storage", "audit"),
)
TARGETS = (*OPERATIONS, "test", "bench", "lint", "help", "version")

EVIL = (
    "two words.dump",
    'it\'s "quoted".dump',
    "$(shell touch pwned).dump",
    "$(touch pwned).dump",
    "`touch pwned`.dump",
    "x; touch pwned",
    "x && touch pwned || true",
    "$HOME $$ ${HOME} $(HOME)",
    "a#b\\c%d*e?f",
    "a,b)c(d",
    "--help",
    "new\nline",
    "größe…",
)

# Stands in for the program: says what it was given.
PROGRAM = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "environment": dict(os.environ)}))
sys.exit(int(os.environ.get("EXIT_CODE", "0")))
"""

# Stands in for the set-up: says that it ran, and leaves what the real one would.
BOOTSTRAP = """
import pathlib, sys
print("set-up ran", *sys.argv[1:], file=sys.stderr)
venv = pathlib.Path(".venv")
(venv / "bin").mkdir(parents=True, exist_ok=True)
(venv / "bin" / "python").write_text("")
(venv / ".home.mk").write_text(f"SET_UP_IN := {pathlib.Path.cwd()}\\n")
for name in (".ready", ".ready-dev")[: 1 + ("--dev" in sys.argv)]:
    (venv / name).write_text("")
"""


@dataclass
class Tree:
    """A copy of the Makefile among stand-ins, in a folder with a space in its name."""

    root: Path
    path: str

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make with nothing on the PATH but python3."""
        return subprocess.run(
            [MAKE, *words],
            cwd=self.root,
            env={"PATH": self.path, "LEDGERFLOW": "./program", **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def given(self, *words: str, **environment: str) -> dict[str, str]:
        """Run `make backup` and return the environment in which the program found itself."""
        run = self.make("backup", *words, **environment)
        assert run.returncode == 0, run.stderr
        said = json.loads(run.stdout)
        assert said["argv"] == ["backup"]
        found: dict[str, str] = said["environment"]
        return found


def script(path: Path, line: str) -> None:
    """Write a shell script that may be run."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root, programs = tmp_path / "a tree", tmp_path / "bin"
    (root / "ledgerflow_ops").mkdir(parents=True)
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    (root / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    (root / "ledgerflow_ops" / "bootstrap.py").write_text(BOOTSTRAP)
    (root / "program.py").write_text(PROGRAM)
    script(root / "program", f'exec {shlex.quote(sys.executable)} -I program.py "$@"')
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (root / name).touch()
        os.utime(root / name, (1, 1))
    os.utime(root / "ledgerflow_ops" / "bootstrap.py", (1, 1))
    return Tree(root, str(programs))


@pytest.mark.parametrize("value", EVIL)
def test_a_variable_arrives_as_typed_and_is_never_run(tree: Tree, value: str) -> None:
    assert tree.given(f"FILE={value}")["FILE"] == value
    assert tree.given(FILE=value)["FILE"] == value
    assert tree.given(f"WHY={value}", f"LEDGER_STATE_DIR={value}")["LEDGER_STATE_DIR"] == value
    assert not list(tree.root.rglob("pwned"))


def test_what_was_not_given_is_not_made_up(tree: Tree) -> None:
    ours = {"FILE", "DRILL", "SEAL", "WHY", "JSON", "DRY_RUN", "ACCEPT", "LEDGER_ENV"}
    assert not ours & tree.given().keys()


@pytest.mark.parametrize("words", [(), ("-s",), ("JSON=1",), ("-s", "JSON=1")])
def test_stdout_is_the_programs_alone(tree: Tree, words: tuple[str, ...]) -> None:
    first, second = tree.make("backup", *words), tree.make("backup", *words)
    assert "set-up ran" in first.stderr
    assert "set-up ran" not in second.stderr
    for run in (first, second):
        assert json.loads(run.stdout)["argv"] == ["backup"]


def test_make_names_the_programs_exit_code(tree: Tree) -> None:
    run = tree.make("backup", EXIT_CODE="3")
    assert run.returncode == 2
    assert "Error 3" in run.stderr


@pytest.mark.parametrize("target", OPERATIONS)
def test_an_operation_is_one_line_over_the_program(tree: Tree, target: str) -> None:
    assert json.loads(tree.make(target).stdout)["argv"] == [target]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_one_line_and_a_word_of_help(target: str) -> None:
    rule = re.search(rf"^{target}:.* ## \S.*\n\t(@.+)\n(?!\t)", MAKEFILE, re.MULTILINE)
    assert rule, f"{target}: no recipe of one line, or no ## comment"


def test_help_lists_every_target_and_needs_nothing(tree: Tree) -> None:
    run = tree.make(PATH="/nowhere")
    listed = re.findall(r"^  make (\S+) +\S", run.stdout, re.MULTILINE)
    assert set(TARGETS) <= set(listed)
    assert len(listed) == len(re.findall(r"^[a-z-]+:.* ## ", MAKEFILE, re.MULTILINE))
    assert run.stderr == ""
    assert not (tree.root / ".venv").exists()


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "ledgerflow_ops/bootstrap.py"])
def test_the_set_up_runs_again_when_what_it_reads_is_newer(tree: Tree, name: str) -> None:
    tree.make("backup")
    later = (tree.root / ".venv" / ".ready").stat().st_mtime + 1
    os.utime(tree.root / name, (later, later))
    assert "set-up ran" in tree.make("backup").stderr


def test_the_set_up_runs_again_when_the_interpreter_is_gone(tree: Tree) -> None:
    tree.make("backup")
    (tree.root / ".venv" / "bin" / "python").unlink()
    assert "set-up ran" in tree.make("backup").stderr


def test_the_set_up_runs_again_after_a_move(tree: Tree) -> None:
    tree.make("backup")
    tree.root = tree.root.rename(tree.root.with_name("another tree"))
    assert "set-up ran" in tree.make("backup").stderr
    assert "set-up ran" not in tree.make("backup").stderr


def test_development_asks_for_its_tools(tree: Tree) -> None:
    assert "set-up ran --dev" in tree.make("lint").stderr


def test_a_named_interpreter_is_the_one_used(tree: Tree, tmp_path: Path) -> None:
    named = tmp_path / "my python"
    script(named, f'echo named >&2; exec {shlex.quote(sys.executable)} "$@"')
    tree.make("backup")
    assert "named\nset-up ran" in tree.make("backup", f"PYTHON={named}").stderr
    assert "named\nset-up ran" in tree.make("backup", PYTHON=str(named)).stderr


@pytest.mark.parametrize("words", [(), ("PYTHON=/nowhere/python3",)])
def test_no_python_at_all_is_reported(tree: Tree, words: tuple[str, ...]) -> None:
    run = tree.make("backup", *words, PATH="/nowhere")
    assert run.returncode == 2
    assert "hint: install Python" in run.stderr
    assert run.stdout == ""
