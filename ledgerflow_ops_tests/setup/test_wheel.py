"""The built wheel works without a clone: all of its files are in it, and it needs no Makefile."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops import bootstrap
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import needs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wheel(session_root: Path) -> Iterator[Path]:
    """The project's wheel, as `make wheel` builds it."""
    folder = session_root / "wheel"
    done = subprocess.run(
        ["make", "-s", "wheel", f"INTO={folder}"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [file] = folder.glob("*.whl")
    yield file
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Installed:
    """A Python environment with the wheel and what the lock names, and a user's empty home."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the program in an empty folder, with nothing of a clone on the path."""
        folder = self.root / "empty"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [self.root / "venv" / "bin" / "ledgerflow", *arguments],
            cwd=folder,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LEDGER_ENV": "dev", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def installed(root: Path, wheel: Path) -> Iterator[Installed]:
    made = Installed(root)
    made.home.mkdir()
    venv, uv = root / "venv", needs.program(str(Path(sys.prefix) / "bin" / "uv"))
    settings = bootstrap.output_of(sys.executable, "-I", "-m", "pip", "config", "list")
    variables = {**os.environ, **bootstrap.uv_variables(settings)}
    into = ("--quiet", "--python", str(venv / "bin" / "python"))
    for words in (
        ("venv", "--quiet", "--python", sys.executable, str(venv)),
        ("pip", "install", *into, *bootstrap.EXACTLY, "--requirement", str(PROJECT / "requirements.lock")),
        ("pip", "install", *into, "--no-deps", "--no-index", str(wheel)),
    ):
        done = subprocess.run([uv, *words], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    try:
        yield made
    finally:
        made.run("down")
        shutil.rmtree(make_server_home(made.home / ".local/state/ledgerflow_ops").root, ignore_errors=True)


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard",
         "ledgerflow_ops"], cwd=PROJECT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    there = {name for name in listed.stdout.splitlines() if (PROJECT / name).exists()}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ledgerflow_ops/")}
    assert held == there
    for kind in (".sql", ".j2", ".css", ".sh", ".pl", ".bash", ".lock", ".yaml", ".toml"):
        assert any(name.endswith(kind) for name in held), kind


def test_an_installed_wheel_backs_up_and_serves_the_page_in_an_empty_folder(installed: Installed) -> None:
    helped = installed.run("--help")
    assert helped.returncode == 0, helped.stderr
    assert "backup" in helped.stdout
    made = installed.run("backup")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "PROVEN: valid" in made.stdout
    assert len([*(installed.home / "iCloudLedger" / "backups" / "dev").glob("*.dump")]) == 1
    wrong = installed.run("verify")
    assert wrong.returncode == 2
    assert "hint: LEDGER_ENV=dev ledgerflow status lists the backups." in wrong.stderr
    settings = installed.home / ".config" / "ledgerflow" / "ledgerflow.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[environments.dev]\nfiles = "no list"\n')
    refused = installed.run("status")
    assert refused.returncode == 2
    assert "environments.dev.files" in refused.stderr
    settings.unlink()
    up = installed.run("up", JSON="1")
    assert up.returncode == 0, up.stdout + up.stderr
    assert json.loads(up.stdout)["address"].startswith("http://127.0.0.1:")
    down = installed.run("down")
    assert "webserver" in down.stdout
    assert [*(installed.root / "empty").iterdir()] == []
