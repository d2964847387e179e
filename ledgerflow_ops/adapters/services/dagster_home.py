"""DAGSTER_HOME: its folder, dagster.yaml and variables. Does not import dagster."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from ledgerflow_ops.adapters.system import private_files
from ledgerflow_ops.core.postgres.addresses import SERVICE_VARIABLES

STORAGE = "LEDGERFLOW_STORAGE_URL"
_DAGSTERS_OWN = ("logs", ".logs_queue")
"""Folders that Dagster would otherwise create in its home with the permissions of the umask."""


def prepare_home(state_dir: Path, package: Path) -> Path:
    """Prepare the private DAGSTER_HOME with the package's dagster.yaml; returns its path."""
    folder = private_files.make_private_folder(state_dir, "dagster")
    for name in _DAGSTERS_OWN:
        private_files.make_private_folder(state_dir, "dagster", name)
    source, target = package / "dagster.yaml", folder / "dagster.yaml"
    if not target.exists() or target.read_bytes() != source.read_bytes():
        private_files.write_private(target, source.read_text())
    return folder


def host_name() -> str:
    """The name of this machine, which is recorded with runs."""
    return socket.gethostname()


def dagster_variables(state_dir: Path, package: Path, storage_url: str) -> Mapping[str, str]:
    """The environment variables of Dagster's processes. `storage_url` has its password."""
    services = {name: os.environ[name] for name in SERVICE_VARIABLES if name in os.environ}
    return services | {"DAGSTER_HOME": str(prepare_home(state_dir, package)), STORAGE: storage_url}
