"""A bare machine: a user's empty home, a fresh clone in it, and Python, make and git on the path."""

import os
import pwd
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.e2e.commands import PROJECT, CommandResult

PASSED_ON = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy")
"""What leads to the package index, with PIP_*: whoever has a machine has that in order."""


@dataclass(frozen=True)
class Machine:
    """A bare machine: a user's empty home, a clone in it, three programs."""

    home: Path
    python: Path
    user: pwd.struct_passwd

    @property
    def clone(self) -> Path:
        return self.home / "ledgerflow_ops"

    @property
    def state(self) -> Path:
        return self.home / ".local" / "state" / "ledgerflow_ops"

    def make(self, *words: str) -> CommandResult:
        """Run make in the clone as the user, and print how long it took."""
        begun = time.monotonic()
        done = run_as(self.user, ["make", *words], self.clone, self.environment())
        print(f"\n{self.user.pw_name}: make {' '.join(words)}: {time.monotonic() - begun:.1f} s")
        return done

    def environment(self) -> dict[str, str]:
        passed = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("PIP_") or name in PASSED_ON or name.lower() in PASSED_ON
        }
        return {
            **passed,
            "PIP_CONFIG_FILE": str(self.home.parent / "pip.conf"),
            "HOME": str(self.home),
            "PATH": str(self.home.parent / "bin"),
            "LEDGER_ENV": "dev",
        }


def run_as(
    user: pwd.struct_passwd, command: list[str], cwd: Path, environment: dict[str, str]
) -> CommandResult:
    other: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        **(other if user.pw_uid != os.geteuid() else {}),
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


def commit_project(folder: Path) -> None:
    """Make a repository whose one commit is the project as it lies here, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "safe.directory=*"]
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "as it lies here"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)


def bare_machine(root: Path, origin: Path, user: pwd.struct_passwd, mode: int) -> Machine:
    """Set up all that is there before the first command is typed."""
    machine = Machine(root / "home", _python_for(user), user)
    programs = root / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(machine.python)
    for name in ("make", "git"):
        (programs / name).symlink_to(needs.program(name))
    own = Path(os.environ.get("PIP_CONFIG_FILE", Path.home() / ".config" / "pip" / "pip.conf"))
    (root / "pip.conf").write_text(own.read_text() if own.is_file() else "")
    (root / "pip.conf").chmod(0o644)
    machine.home.mkdir(mode=mode)
    clone = ["git", "-c", "safe.directory=*", "clone", "--quiet", str(origin), str(machine.clone)]
    subprocess.run(clone, check=True, capture_output=True)
    for path in (machine.home, *machine.home.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return machine


def _python_for(user: pwd.struct_passwd) -> Path:
    """A Python that the user can run and make environments with; this one's may lie below /root."""
    question = "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = (base, Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))
    found = next((candidate for candidate in candidates if _runs(user, candidate, question)), None)
    if found is None:
        needs.missing(f"there is no Python 3.11 or newer, with ensurepip, that {user.pw_name} can run")
    return found.resolve()


def _runs(user: pwd.struct_passwd, python: Path, question: str) -> bool:
    try:
        return run_as(user, [str(python), "-c", question], Path("/"), {}).code == 0
    except OSError:
        return False
