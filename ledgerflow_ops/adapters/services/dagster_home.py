"""Dagster's home: its folder, its file and the variable that leads to its storage. Imports no dagster."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from ledgerflow_ops.adapters.connection import address
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import private_files

STORAGE = "LEDGERFLOW_STORAGE_URL"
_DAGSTERS_OWN = ("logs", ".logs_queue")
"""Folders that Dagster makes in its home, by the umask, where they are not there."""


def home(state_dir: Path, project: Path) -> Path:
    """The instance's folder with the project's dagster.yaml in it."""
    folder = private_files.folder(state_dir, "dagster")
    for name in _DAGSTERS_OWN:
        private_files.folder(state_dir, "dagster", name)
    ours, there = project / "dagster.yaml", folder / "dagster.yaml"
    if not there.exists() or there.read_bytes() != ours.read_bytes():
        private_files.write(there, ours.read_text())
    return folder


def host() -> str:
    """The name of this machine, as runs are signed with it."""
    return socket.gethostname()


def variables(state_dir: Path, project: Path, storage: Database) -> Mapping[str, str]:
    """What Dagster's processes need in their environment, the storage's password among it."""
    services = {name: os.environ[name] for name in address.SERVICES if name in os.environ}
    return services | {"DAGSTER_HOME": str(home(state_dir, project)), STORAGE: storage.sqlalchemy_url()}
