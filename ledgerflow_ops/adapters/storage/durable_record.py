"""Writes a record for people: a whole file, durable, in a private folder."""

from pathlib import Path

from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system.os_errors import translated


def write(folder: Path, name: str, text: str) -> Path:
    """Write `text` under `name`, in the place of an older one. What is no text in it is escaped."""
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Folder(folder).replace(name, text.encode("utf-8", "backslashreplace"))
    return folder / name
