"""The libraries that a PostgreSQL on this machine has, and those that a server preloads."""

from collections.abc import Iterable

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process

_PRELOADED = "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
_SUFFIXES = (".so", ".dylib")


def preloaded(connection: Connection) -> tuple[str, ...] | None:
    """The names of the libraries that the server preloads; None where the account is not told."""
    row = connection.execute(_PRELOADED).fetchone()
    if row is None:
        return None
    names = (name.strip().strip('"').rpartition("/")[2] for name in row[0].split(","))
    return tuple(name for name in names if name)


def there(tools: Tools, libraries: Iterable[str]) -> tuple[str, ...]:
    """Those of the libraries that lie beside these programs."""
    folders = [tools.folder.parent / "lib", tools.folder.parent / "lib" / "postgresql"]
    if tools.has("pg_config"):
        told = process.run([tools.path("pg_config"), "--pkglibdir"])
        folders += [tools.folder / told.out.decode().strip()] if told.code == 0 else []
    return tuple(
        name
        for name in libraries
        if any((folder / f"{name}{suffix}").exists() for folder in folders for suffix in _SUFFIXES)
    )
