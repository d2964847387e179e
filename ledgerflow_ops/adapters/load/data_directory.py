"""Where a server of this machine keeps its data."""

from pathlib import Path

import psutil

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.core.errors import LedgerError

_HERE = ("", "localhost", "127.0.0.1", "::1")


def data_folder(database: Database) -> tuple[Path | None, str]:
    """Where a server keeps its data, if that is on a disk of this machine; else None, and why not.

    The server is asked; its answer counts only where one of this machine's processes serves that folder: a
    container that publishes its port answers from a file system of its own.
    """
    if database.inside:
        return None, "the server is in a container"
    host = database.parameters.get("host", "")
    if host not in _HERE and not host.startswith("/"):
        return None, "the server is on another machine"
    try:
        with restore_server.glance(database).connect() as connection:
            row = connection.execute("SELECT current_setting('data_directory', true)").fetchone()
    except LedgerError as error:
        return None, error.message
    folder = Path(str(row[0])) if row and row[0] else None
    if folder is None:
        return None, "the account may not ask for data_directory (GRANT pg_read_all_settings)"
    if not any(_serves(found, folder) for found in psutil.process_iter()):
        return None, f"no server of this machine serves {folder}"
    return folder, ""


def _serves(found: psutil.Process, folder: Path) -> bool:
    try:
        if not found.name().startswith("postgres"):
            return False
        return str(folder) in found.cmdline() or Path(found.cwd()) == folder
    except (psutil.Error, OSError):
        return False
