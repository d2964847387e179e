"""The set-up's own decisions: which Python will do, what has to be done, what is left when it fails.

Each test runs a copy of bootstrap.py in a folder of its own. Python, pip and uv are small programs there that
write down what they were asked to do.
"""

import ast
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerflow_ops import bootstrap

ANEW = ["venv", "uv", "sync", "project"]
ANEW_BY_PIP = ["venv", "pip", "pip project"]

RUN = "import sys; sys.path.insert(0, 'ledgerflow_ops'); import bootstrap; sys.exit(bootstrap.main({own!r}))"
"""Runs the set-up as if it were run by the Python `own`."""

STEP = """#!/bin/sh
step() {{
    echo "$1" >>"{log}"
    if [ -e "{during}" ]; then . "{during}"; fi
    if grep -qx "$1" "{fails}"; then echo "{says}"; exit 1; fi
}}
for last do :; done
"""
PYTHON = """case "$*" in
    *ensurepip*) [ -e "{no_ensurepip}" ] || echo "$0" ;;
    *version_info*) echo {version} ;;
    *"-m venv --clear"*) step venv; rm -rf "$last"; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
    *"pip config list"*) cat "{settings}" ;;
    *requirements-uv.lock*) step uv; cp "{uv}" "${{0%/*}}/uv" ;;
    *requirements-dev.lock*) step "pip dev" ;;
    *requirements.lock*) step pip ;;
    *--editable*) step "pip project" ;;
esac
"""
UV = """env >"{variables}"
case "$*" in
    *requirements-dev.lock*) step "sync dev" ;;
    *requirements.lock*) step sync ;;
    *--editable*) step project ;;
esac
"""


class Machine:
    """A checkout of its own, a Python 3.12 that is none, and what it was asked to do."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "checkout"
        self.says = "ERROR: No space left on device"
        (self.root / "ledgerflow_ops").mkdir(parents=True)
        shutil.copy(bootstrap.__file__, self.root / "ledgerflow_ops" / "bootstrap.py")
        for name in ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock", "pyproject.toml"):
            (self.root / name).write_text("x==1\n")
        self.fails()
        (home / "settings").touch()
        self.own = self.python("own", "3.12")

    @property
    def ready(self) -> Path:
        return self.root / ".venv" / ".ready"

    def python(self, name: str, version: str) -> Path:
        """Make a Python of that version, and the uv that its pip installs."""
        names = ("log", "during", "fails", "no_ensurepip", "settings", "uv", "variables")
        words = {**{key: str(self.home / key) for key in names}, "says": self.says, "version": version}
        for program, text in ((self.home / name, PYTHON), (self.home / "uv", UV)):
            program.write_text((STEP + text).format(**words))
            program.chmod(0o755)
        return self.home / name

    def fails(self, *steps: str) -> None:
        """Name the steps that fail from now on."""
        (self.home / "fails").write_text("".join(f"{step}\n" for step in steps))

    def change(self, name: str) -> None:
        """Give one of the files that the environment is made from another content."""
        (self.root / name).write_text((self.root / name).read_text() + "y==2\n")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the set-up."""
        return subprocess.Popen(
            [sys.executable, "-I", "-c", RUN.format(own=str(self.own)), *arguments],
            cwd=self.root,
            env={"PATH": f"{self.home}:{os.environ['PATH']}", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def set_up(self, *arguments: str, **environment: str) -> list[str]:
        """Run the set-up to its end and return what it did."""
        (self.home / "log").write_text("")
        process = self.start(*arguments, **environment)
        out, self.errors = process.communicate()
        self.code = process.returncode
        assert out == "", "stdout belongs to the command that made the set-up necessary"
        return (self.home / "log").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_first_run_makes_everything_and_a_second_nothing(machine: Machine) -> None:
    assert machine.set_up() == ANEW
    assert machine.code == 0
    assert machine.set_up() == []
    assert (machine.code, machine.errors) == (0, "")


def test_tools_are_added_to_what_is_there_and_stay(machine: Machine) -> None:
    machine.set_up()
    assert machine.set_up("--dev") == ["sync dev", "project"]
    assert machine.set_up() == []
    assert machine.ready.with_name(".ready-dev").exists()
    machine.change("requirements-dev.lock")
    assert machine.set_up() == ["sync dev", "project"]


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed_again(machine: Machine, name: str) -> None:
    machine.set_up()
    machine.change(name)
    assert machine.set_up() == ["sync", "project"]
    assert machine.set_up() == []


@pytest.mark.parametrize("step", ["venv", "pip", "pip project"])
def test_what_failed_midway_is_done_again(machine: Machine, step: str) -> None:
    machine.fails("uv", step)
    machine.set_up()
    assert (machine.code, machine.ready.exists()) == (1, False)
    assert "hint:" in machine.errors
    machine.fails()
    assert machine.set_up() == ANEW


def test_tools_that_failed_midway_make_the_whole_suspect(machine: Machine) -> None:
    machine.set_up()
    machine.fails("sync dev", "pip dev")
    machine.set_up("--dev")
    assert machine.code == 1
    machine.fails()
    assert machine.set_up() == ANEW


def test_a_full_disk_is_reported_as_one(machine: Machine) -> None:
    machine.fails("sync", "pip")
    machine.set_up()
    assert "free space on the disk" in machine.errors


def test_an_interrupted_set_up_is_begun_anew(machine: Machine) -> None:
    (machine.home / "during").write_text('[ "$1" = venv ] || kill -INT $PPID')
    machine.set_up()
    assert (machine.code, machine.ready.exists()) == (130, False)
    assert "interrupted; the next run starts again" in machine.errors
    (machine.home / "during").unlink()
    assert machine.set_up() == ANEW


def test_an_environment_from_another_folder_is_not_taken_over(machine: Machine) -> None:
    machine.set_up()
    machine.root = machine.root.rename(machine.home / "moved")
    assert machine.set_up() == ANEW
    assert machine.set_up() == []


def test_an_interpreter_that_is_gone_or_was_replaced_is_noticed(machine: Machine) -> None:
    machine.set_up()
    (machine.root / ".venv" / "bin" / "python").unlink()
    assert machine.set_up() == ANEW
    shutil.copy(machine.python("other", "3.13"), machine.root / ".venv" / "bin" / "python")
    assert machine.set_up() == ANEW


def test_the_python_that_is_there_stays_unless_another_one_is_chosen(machine: Machine) -> None:
    machine.set_up()
    machine.own = machine.python("python3.13", "3.13")
    machine.change("requirements.lock")
    assert machine.set_up() == ["sync", "project"]
    assert machine.set_up(PYTHON=str(machine.own)) == ANEW
    assert machine.set_up(PYTHON=str(machine.own)) == []
    assert machine.ready.read_text().splitlines()[1] == "3.13"


def test_what_is_recorded_is_the_python_that_made_it(machine: Machine) -> None:
    machine.set_up()
    machine.own = machine.python("python3.13", "3.13")
    machine.change("requirements.lock")
    machine.fails("sync")
    assert machine.set_up() == ["sync", *ANEW_BY_PIP]
    assert machine.ready.read_text().splitlines()[1] == "3.13"
    assert machine.set_up() == []


def test_a_lock_that_is_edited_during_the_set_up_is_seen(machine: Machine) -> None:
    (machine.home / "during").write_text('[ "$1" != sync ] || echo "z==3" >>requirements.lock')
    machine.set_up()
    (machine.home / "during").unlink()
    assert machine.ready.stat().st_mtime < (machine.root / "requirements.lock").stat().st_mtime
    assert machine.set_up() == ["sync", "project"]


def test_pip_installs_where_no_wheel_of_uv_fits(machine: Machine) -> None:
    machine.fails("uv")
    assert machine.set_up() == ["venv", "uv", "pip", "pip project"]
    assert machine.code == 0
    assert "uv could not install what the lock names:\nERROR: No space left" in machine.errors
    assert "pip installs it, in a minute or two" in machine.errors
    assert machine.set_up() == []
    machine.change("requirements.lock")
    assert machine.set_up() == ["uv", *ANEW_BY_PIP]


@pytest.mark.parametrize(("step", "done"), [("sync", ["sync"]), ("project", ["sync", "project"])])
def test_pip_begins_anew_where_uv_fails(machine: Machine, step: str, done: list[str]) -> None:
    machine.fails(step)
    assert machine.set_up() == ["venv", "uv", *done, *ANEW_BY_PIP]
    assert machine.code == 0
    assert "uv could not install what the lock names:\nERROR: No space left" in machine.errors
    machine.fails()
    machine.change("requirements.lock")
    assert machine.set_up() == ["uv", "sync", "project"], "uv gets another try"


def test_pip_installs_where_uv_does_not_run(machine: Machine) -> None:
    (machine.home / "uv").write_text("#!/nowhere/loader\n")
    assert machine.set_up() == ["venv", "uv", *ANEW_BY_PIP]
    assert machine.code == 0
    assert "uv could not install what the lock names:\n[Errno 2]" in machine.errors


def test_uv_does_as_pips_settings_say(machine: Machine) -> None:
    (machine.home / "settings").write_text(
        "global.index-url='https://ann:pa55@mirror.example/simple'\n"
        "global.timeout='30'\n"
        "global.find-links='/a /b'\n"
        "download.index-url='https://other.example'\n"
        "install.extra-index-url='https://one.example\\nhttps://two.example'\n"
        "global.extra-index-url='https://zero.example'\n"
        ":env:.timeout='60'\n"
        ":env:.cert='/ca.pem'\n"
        ":env:.disable-pip-version-check='1'\n"
    )
    machine.set_up(SSL_CERT_FILE="/mine.pem")
    variables = (machine.home / "variables").read_text().splitlines()
    assert {
        "UV_DEFAULT_INDEX=https://ann:pa55@mirror.example/simple",
        "UV_INDEX=https://one.example https://two.example",
        "UV_INDEX_STRATEGY=unsafe-best-match",
        "UV_FIND_LINKS=/a,/b",
        "UV_HTTP_TIMEOUT=60",
        "SSL_CERT_FILE=/mine.pem",
    } <= set(variables), "and what the user has set for uv stays"


def test_the_cache_of_another_user_is_left_alone(machine: Machine) -> None:
    variables = machine.home / "variables"
    machine.set_up(HOME=str(machine.home))
    assert "UV_NO_CACHE" not in variables.read_text()
    machine.change("requirements.lock")
    machine.set_up(HOME="/nowhere")
    assert "UV_NO_CACHE=1" in variables.read_text().splitlines()
    machine.change("requirements.lock")
    (machine.home / "settings").write_text("global.no-cache-dir='true'\n")
    machine.set_up(HOME=str(machine.home))
    assert "UV_NO_CACHE=true" in variables.read_text().splitlines()


def test_passwords_are_not_repeated(machine: Machine) -> None:
    machine.says = "no answer from https://ann:pa55@mirror.example/simple"
    machine.own = machine.python("own", "3.12")
    machine.fails("sync", "pip")
    machine.set_up()
    assert machine.errors.count("https://****@mirror.example/simple") == 2
    assert "pa55" not in machine.errors


def test_an_unsuitable_python_is_refused_with_what_is_needed(machine: Machine) -> None:
    machine.own = machine.python("own", "2.7")
    for name in bootstrap.OTHER_PYTHONS:
        machine.python(name, "3.5")
    assert machine.set_up() == []
    assert machine.code == 2
    assert (
        "Python {} to {} is needed; python3 is 2.7".format(*bootstrap.supported_versions()) in machine.errors
    )
    assert "hint: install Python" in machine.errors


def test_a_suitable_python_elsewhere_on_the_path_takes_over(machine: Machine) -> None:
    machine.own = machine.python("own", "2.7")
    machine.python("python3.13", "3.6")
    machine.python("python3.12", "3.12")
    assert machine.set_up() == ANEW
    assert machine.ready.read_text().splitlines()[1] == "3.12"


def test_a_chosen_python_is_not_replaced(machine: Machine) -> None:
    old = machine.python("old", "2.7")
    assert machine.set_up(PYTHON=str(old)) == []
    assert machine.code == 2
    assert f"{old} is 2.7" in machine.errors


def test_a_python_without_ensurepip_is_refused_with_the_package_to_install(machine: Machine) -> None:
    (machine.home / "no_ensurepip").touch()
    assert machine.set_up() == []
    assert machine.code == 2
    assert "apt install python3-venv (or python3.12-venv)" in machine.errors


def test_loads_in_a_python_that_is_too_old() -> None:
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations = [
        annotation
        for function in functions
        for annotation in (
            function.returns,
            *(argument.annotation for argument in (*function.args.args, *function.args.kwonlyargs)),
        )
        if annotation is not None
    ]
    assert annotations
    assert not [ast.unparse(node) for node in annotations if isinstance(node, ast.Subscript | ast.BinOp)]


def pause(machine: Machine) -> None:
    """Let the installer wait until somebody opens the pipe `go`; `there` says that it waits."""
    os.mkfifo(machine.home / "go")
    os.mkfifo(machine.home / "there")
    (machine.home / "during").write_text(
        f'if [ "$1" = sync ]; then echo >"{machine.home}/there"; read _ <"{machine.home}/go"; fi'
    )


def test_two_at_once_take_turns(machine: Machine) -> None:
    pause(machine)
    first = machine.start()
    (machine.home / "there").read_text()
    second = machine.start()
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    (machine.home / "go").write_text("\n")
    assert "done in" in first.communicate()[1]
    assert second.communicate() == ("", "")
    assert (first.returncode, second.returncode) == (0, 0)
    assert (machine.home / "log").read_text().splitlines() == ANEW


def test_an_installer_that_outlives_its_set_up_still_keeps_the_next_one_out(machine: Machine) -> None:
    pause(machine)
    first = machine.start()
    (machine.home / "there").read_text()
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = machine.start()
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    (machine.home / "during").unlink()
    (machine.home / "go").write_text("\n")
    second.communicate()
    first.communicate()
    assert second.returncode == 0
    assert (machine.home / "log").read_text().splitlines() == ["venv", "uv", "sync", *ANEW]
