"""The libraries that a server preloads, and those that a PostgreSQL on this machine has."""

from collections.abc import Iterable

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process

_PRELOADED = "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
_SUFFIXES = (".so", ".dylib")


def preloaded_libraries(connection: Connection) -> tuple[str, ...] | None:
    """The names of the libraries that the server preloads; None if the account may not read the setting."""
    row = connection.execute(_PRELOADED).fetchone()
    if row is None:
        return None
    names = (name.strip().strip('"').rpartition("/")[2] for name in row[0].split(","))
    return tuple(name for name in names if name)


def installed_libraries(tools: Tools, libraries: Iterable[str]) -> tuple[str, ...]:
    """Those of the libraries that are installed with these programs."""
    folders = [tools.folder.parent / "lib", tools.folder.parent / "lib" / "postgresql"]
    if tools.has("pg_config"):
        finished = process.run([tools.path("pg_config"), "--pkglibdir"])
        folders += [tools.folder / finished.out.decode().strip()] if finished.code == 0 else []
    return tuple(
        name
        for name in libraries
        if any((folder / f"{name}{suffix}").exists() for folder in folders for suffix in _SUFFIXES)
    )
