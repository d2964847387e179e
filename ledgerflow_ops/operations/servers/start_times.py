"""Remembers in the state folder how long each phase of the last successful `make up` took."""

import json
from pathlib import Path

from ledgerflow_ops.adapters.system import private_files, regular_files
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.presentation.start_durations import StartDurations, parsed
from ledgerflow_ops.operations.background_process import servers_folder

_FILE = "start.json"


def last_start(state_dir: Path) -> StartDurations:
    """The durations of the last start; empty before the first one, or if they cannot be read."""
    try:
        return parsed(regular_files.read_json(state_dir / "servers" / _FILE))
    except (OSError, ValueError):
        return {}


def remember_start(state_dir: Path, durations: StartDurations) -> None:
    """Store these durations; those of the other phases stay. The start does not fail if they cannot be."""
    if not durations:
        return
    known = {**last_start(state_dir), **durations}
    try:
        private_files.write_private(servers_folder(state_dir) / _FILE, json.dumps(known))
    except LedgerError:
        return  # only an estimate is lost
