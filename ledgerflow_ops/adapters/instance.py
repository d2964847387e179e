"""Dagster's home: its folder, its file and the variable that leads to its storage. Imports no dagster."""

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from ledgerflow_ops.adapters.postgres import Database

STORAGE = "LEDGERFLOW_STORAGE_URL"


def home(state_dir: Path, project: Path) -> Path:
    """The instance's folder with the project's dagster.yaml in it."""
    folder = state_dir / "dagster"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours, there = project / "dagster.yaml", folder / "dagster.yaml"
    if not there.exists() or there.read_bytes() != ours.read_bytes():
        unfinished = there.with_suffix(f".{os.getpid()}.partial")
        shutil.copyfile(ours, unfinished)
        unfinished.replace(there)
    return folder


def host() -> str:
    """The name of this machine, as runs are signed with it."""
    return socket.gethostname()


def variables(state_dir: Path, project: Path, storage: Database) -> Mapping[str, str]:
    """What Dagster's processes need in their environment, the storage's password among it."""
    return {"DAGSTER_HOME": str(home(state_dir, project)), STORAGE: storage.sqlalchemy_url()}
