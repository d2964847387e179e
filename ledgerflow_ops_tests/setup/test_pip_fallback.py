"""Where no wheel of uv fits, the real pip makes the environment: here of two small wheels, from a folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ledgerflow_ops import bootstrap

TABLES = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

BACKEND = """
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    return shutil.copy("wheels/project-1-py3-none-any.whl", folder).rpartition("/")[2]
"""


def wheel(folder: Path, name: str) -> Path:
    """Make a wheel of one module, which holds its own name."""
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
        info = f"{name}-1.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return path


def pin(name: str, content: bytes) -> str:
    """Return the lines of a lock file."""
    return f"{name}==1 \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose locks name a package that there is, and a uv that there is not."""
    wheels = tmp_path / "wheels"
    (tmp_path / "ledgerflow_ops").mkdir()
    wheels.mkdir()
    shutil.copy(bootstrap.__file__, tmp_path / "ledgerflow_ops" / "bootstrap.py")
    wheel(wheels, "project")
    (tmp_path / "requirements.lock").write_text(pin("locked", wheel(wheels, "locked").read_bytes()))
    (tmp_path / "requirements-uv.lock").write_text(pin("uv", b"for another platform"))
    (tmp_path / "pyproject.toml").write_text(TABLES)
    (tmp_path / "backend.py").write_text(BACKEND)
    return tmp_path


def set_up(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", checkout / "ledgerflow_ops" / "bootstrap.py"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(checkout),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(checkout / "wheels"),
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_pip_installs_what_the_lock_names_and_the_project(checkout: Path) -> None:
    done = set_up(checkout)
    assert done.returncode == 0, done.stderr
    assert "No matching distribution found for uv==1" in done.stderr
    assert "pip installs it, in a minute or two" in done.stderr
    program = "import locked, project; print(locked.NAME, project.NAME)"
    python = checkout / ".venv" / "bin" / "python"
    assert subprocess.check_output([python, "-I", "-c", program], text=True) == "locked project\n"
    assert not (checkout / ".venv" / "bin" / "uv").exists()
    again = set_up(checkout)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_file_with_another_hash_is_refused(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text(pin("locked", b"another file"))
    done = set_up(checkout)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "hint: the index serves files other than those in the lock: see `pip config list`" in done.stderr
    assert not (checkout / ".venv" / ".ready").exists()
