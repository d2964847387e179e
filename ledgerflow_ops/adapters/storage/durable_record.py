"""Writes a text record for people: atomically and durably, in a private folder."""

from pathlib import Path

from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system.os_errors import translated


def write(folder: Path, name: str, text: str) -> Path:
    """Write `text` to `name`, replacing an older file. Lone surrogates are escaped."""
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Folder(folder).replace(name, text.encode("utf-8", "backslashreplace"))
    return folder / name
