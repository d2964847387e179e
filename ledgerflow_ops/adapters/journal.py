"""The journal of operations: one line of JSON for each thing done to an environment, never rewritten."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.oserrors import translated
from ledgerflow_ops.adapters.process import mask


def append(state_dir: Path, entry: Mapping[str, Any]) -> Path:
    """Add an entry durably; returns the journal's path. One write of one line: readers never see half."""
    file = state_dir / "journal.jsonl"
    line = mask(json.dumps(entry, default=str, ensure_ascii=False)) + "\n"
    with translated(file):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return file


def entries(state_dir: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first. A last line that a crash has cut is left out."""
    try:
        lines = (state_dir / "journal.jsonl").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
