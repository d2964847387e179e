"""Dagster's home: its folder, its file and the variable that leads to its storage. Imports no dagster."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from ledgerflow_ops.adapters.system import private_files
from ledgerflow_ops.core.postgres.addresses import SERVICE_VARIABLES

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


def variables(state_dir: Path, project: Path, storage_url: str) -> Mapping[str, str]:
    """The environment of Dagster's processes. `storage_url` is SQLAlchemy's, password included."""
    services = {name: os.environ[name] for name in SERVICE_VARIABLES if name in os.environ}
    return services | {"DAGSTER_HOME": str(home(state_dir, project)), STORAGE: storage_url}
