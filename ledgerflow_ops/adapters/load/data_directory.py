"""Finds the data directory of a server on this machine."""

from pathlib import Path

import psutil

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.core.errors import LedgerError

_LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")


def data_folder(database: Database) -> tuple[Path | None, str]:
    """The server's data directory if it is on a disk of this machine; else None, and the reason.

    The server's own setting counts only if a server process of this machine uses that folder: a container
    that publishes its port has a file system of its own.
    """
    if database.inside:
        return None, "the server is in a container"
    host = database.parameters.get("host", "")
    if host not in _LOCAL_HOSTS and not host.startswith("/"):
        return None, "the server is on another machine"
    try:
        with restore_server.inspection_database(database).connect() as connection:
            row = connection.execute("SELECT current_setting('data_directory', true)").fetchone()
    except LedgerError as error:
        return None, error.message
    folder = Path(str(row[0])) if row and row[0] else None
    if folder is None:
        return None, "the account may not ask for data_directory (GRANT pg_read_all_settings)"
    if not any(_is_server_of(process, folder) for process in psutil.process_iter()):
        return None, f"no server of this machine serves {folder}"
    return folder, ""


def _is_server_of(process: psutil.Process, folder: Path) -> bool:
    try:
        if not process.name().startswith("postgres"):
            return False
        return str(folder) in process.cmdline() or Path(process.cwd()) == folder
    except (psutil.Error, OSError):
        return False
