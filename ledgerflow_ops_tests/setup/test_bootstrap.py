"""The set-up's own decisions: which Python will do, what has to be done, what is left when it fails."""

import ast
import importlib.util
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from ledgerflow_ops import bootstrap

WHOLE = {"root": "/r", "python": "3.11", "lock": "l", "project": "p"}


class Machine:
    """A project folder of its own, in which the programs that the set-up starts are only written down."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[str] = []
        self.fails_at = ""
        for name in ("requirements.lock", "requirements-dev.lock"):
            (root / name).write_text("x==1\n")
        self.version("1")

    def version(self, number: str) -> None:
        (self.root / "pyproject.toml").write_text(f'[project]\nversion = "{number}"\n')

    def run(self, _held: int, command: list[str]) -> tuple[int, str]:
        """Stand in for `bootstrap.run`."""
        words = " ".join(command)
        step = "venv" if "venv --clear" in words else "project" if "--editable" in words else "packages"
        self.commands.append(step + (" dev" if "requirements-dev.lock" in words else ""))
        if step == "venv":
            shutil.rmtree(self.root / ".venv", ignore_errors=True)
            (self.root / ".venv" / "bin").mkdir(parents=True)
            (self.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
        return (1, "ERROR: No space left on device") if step == self.fails_at else (0, "")

    def set_up(self, *arguments: str) -> list[str]:
        """Run the set-up and return what it did."""
        self.commands.clear()
        sys.argv[1:] = arguments
        self.code = bootstrap.main()
        return list(self.commands)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    monkeypatch.setattr(bootstrap, "run", machine.run)
    for name in ("VENV", "VENV_PYTHON", "LOCK", "LOCK_DEV", "READY", "READY_DEV", "HOME_NOTE"):
        path = getattr(bootstrap, name).relative_to(bootstrap.ROOT)
        monkeypatch.setattr(bootstrap, name, tmp_path / path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return machine


def test_a_first_run_makes_everything_and_a_second_nothing(machine: Machine) -> None:
    assert machine.set_up() == ["venv", "packages", "project"]
    assert machine.code == 0
    assert machine.set_up() == []


def test_tools_are_added_to_what_is_there_and_stay(machine: Machine) -> None:
    machine.set_up()
    assert machine.set_up("--dev") == ["packages dev"]
    assert machine.set_up() == []
    assert bootstrap.READY_DEV.exists()


def test_a_changed_lock_begins_anew_and_a_changed_project_does_not(machine: Machine) -> None:
    machine.set_up()
    machine.version("2")
    assert machine.set_up() == ["project"]
    bootstrap.LOCK.write_text("x==2\n")
    assert machine.set_up() == ["venv", "packages", "project"]


@pytest.mark.parametrize("step", ["venv", "packages", "project"])
def test_what_failed_midway_is_done_again(
    machine: Machine, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails_at = step
    machine.set_up()
    assert (machine.code, bootstrap.READY.exists()) == (1, False)
    output = capsys.readouterr()
    assert "hint:" in output.err
    assert output.out == ""
    machine.fails_at = ""
    assert machine.set_up() == ["venv", "packages", "project"]


def test_tools_that_failed_midway_make_the_whole_suspect(machine: Machine) -> None:
    machine.set_up()
    machine.fails_at = "packages"
    machine.set_up("--dev")
    machine.fails_at = ""
    assert machine.set_up() == ["venv", "packages", "project"]


def test_a_full_disk_is_told_as_one(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.fails_at = "packages"
    machine.set_up()
    assert "make room on the disk" in capsys.readouterr().err


def test_an_environment_from_another_folder_is_not_taken_over(machine: Machine) -> None:
    machine.set_up()
    state = json.loads(bootstrap.READY.read_text())
    bootstrap.READY.write_text(json.dumps({**state, "root": "/"}))
    assert machine.set_up() == ["venv", "packages", "project"]


def test_what_is_recorded_is_the_python_that_made_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.set_up()
    made_by = json.loads(bootstrap.READY.read_text())
    bootstrap.READY.write_text(json.dumps({**made_by, "python": "3.99"}))
    monkeypatch.setattr(bootstrap, "version_of", lambda program: (3, 99))
    bootstrap.LOCK.write_text("x==2\n")
    assert machine.set_up() == ["venv", "packages", "project"]
    assert json.loads(bootstrap.READY.read_text())["python"] == made_by["python"]


def test_the_stamp_is_as_old_as_the_reading_of_the_lock(machine: Machine) -> None:
    machine.set_up()
    os.utime(bootstrap.LOCK)  # as if it had been edited while the packages were being installed
    assert bootstrap.READY.stat().st_mtime < bootstrap.LOCK.stat().st_mtime


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, []),
        ({"root": "/elsewhere"}, []),
        ({"project": "other"}, ["project"]),
        ({"dev": "new"}, ["packages"]),
        ({"dev": "new", "project": "other"}, ["packages", "project"]),
        ({"python": "3.12"}, ["venv", "packages", "project"]),
        ({"lock": "other"}, ["venv", "packages", "project"]),
    ],
)
def test_steps_needed(changes: dict[str, str], steps: list[str]) -> None:
    assert bootstrap.steps_needed(WHOLE, {**WHOLE, **changes}) == steps


def test_an_unsuitable_python_is_refused_with_what_is_needed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "supported_versions", lambda: ((9, 1), (9, 4)))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert machine.set_up() == []
    assert machine.code == 2
    output = capsys.readouterr()
    assert "Python 9.1 to 9.4 is needed" in output.err
    assert "hint: install Python" in output.err
    assert output.out == ""


def test_a_suitable_python_elsewhere_on_the_path_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(bootstrap, "supported_versions", lambda: ((9, 1), (9, 4)))
    monkeypatch.setattr(shutil, "which", lambda name: f"/x/{name}")
    monkeypatch.setattr(bootstrap, "version_of", lambda program: (9, 4) if "3.12" in program else (3, 9))
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "--dev"])
    taken: list[list[str]] = []

    def execv(_program: str, command: list[str]) -> None:
        taken.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        bootstrap.use_suitable_python()
    assert taken == [["/x/python3.12", "-I", bootstrap.__file__, "--dev"]]


def test_a_chosen_python_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON", "/opt/old/python")
    monkeypatch.setattr(bootstrap, "supported_versions", lambda: ((9, 1), (9, 4)))
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("another Python was started"))
    with pytest.raises(bootstrap.SetupError, match="/opt/old/python is 3"):
        bootstrap.use_suitable_python()


def test_a_python_without_ensurepip_is_refused_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(bootstrap.SetupError) as refusal:
        bootstrap.require_venv_module()
    assert refusal.value.code == 2
    assert "apt install python3-venv" in refusal.value.hint


def test_loads_in_a_python_that_is_too_old() -> None:
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations = [
        annotation
        for function in functions
        for annotation in (function.returns, *(argument.annotation for argument in function.args.args))
        if annotation is not None
    ]
    assert annotations
    assert not [ast.unparse(node) for node in annotations if isinstance(node, ast.Subscript | ast.BinOp)]


def test_two_at_once_take_turns(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()

    def second() -> None:
        with bootstrap.sole_set_up():
            entered.set()

    with bootstrap.sole_set_up():
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
    thread.join(timeout=5)
    assert entered.is_set()
    assert "waiting for it" in capsys.readouterr().err
