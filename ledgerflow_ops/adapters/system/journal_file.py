"""The journal of operations: one line of JSON for each operation on an environment, append-only.

A year of three environments is a few megabytes. A long journal can be renamed by hand to `journal-2026.jsonl`
in the same folder: the files are read in the order of their names, the current one last.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.sealed_records import parse_json
from ledgerflow_ops.core.secrets_in_text import mask_secrets

_FILE = "journal.jsonl"
_LONGEST = 16 * 1024 * 1024
_EARLIER = "journal-*.jsonl"


def append_entry(state_dir: Path, entry: Mapping[str, Any], *, durable: bool = True) -> Path:
    """Append an entry in one write, `durable` if it must outlast a power cut; returns the journal's path.

    If a crash has cut the last line, the entry begins on a new line.
    """
    file = state_dir / _FILE
    line = mask_secrets(json.dumps(entry, default=str, ensure_ascii=False)) + "\n"
    with translated(file):
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * cut + line.encode("utf-8", "backslashreplace"))
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return file


def read_entries(state_dir: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first, without damaged lines. LedgerError if a file cannot be read."""
    entries = []
    for file in [*sorted(state_dir.glob(_EARLIER)), state_dir / _FILE]:
        for line in _lines(file):
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                entries.append(entry)
    return entries


def _lines(file: Path) -> Iterator[str]:
    """The lines of a journal. A line longer than 16 MB is split into pieces, which are not valid entries."""
    if not os.path.lexists(file):
        return
    with translated(file), regular_files.open_regular(file) as raw, io.BufferedReader(raw) as lines:  # type: ignore[type-var]
        while line := lines.readline(_LONGEST):
            yield line.decode("utf-8", "replace")
