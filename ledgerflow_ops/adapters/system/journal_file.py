"""The journal of operations: one line of JSON for each thing done to an environment, never rewritten.

A year of three environments is a few megabytes. Whoever finds it too long moves it away by hand, as
`journal-2026.jsonl` beside it: the files are read one after the other, the current one last.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.adapters.system.process import mask
from ledgerflow_ops.core.sealed_records import parse_json

_FILE = "journal.jsonl"
_LONGEST = 16 * 1024 * 1024
_EARLIER = "journal-*.jsonl"


def append(state_dir: Path, entry: Mapping[str, Any]) -> Path:
    """Add an entry durably; returns the journal's path. One write of one line: readers never see half.

    Where a crash has cut the last line, the new one begins on a line of its own.
    """
    file = state_dir / _FILE
    line = mask(json.dumps(entry, default=str, ensure_ascii=False)) + "\n"
    with translated(file):
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * cut + line.encode("utf-8", "backslashreplace"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return file


def entries(state_dir: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first. A line that a crash or a hand has damaged is left out.

    LedgerError when a file is there and may not be read.
    """
    found = []
    for file in [*sorted(state_dir.glob(_EARLIER)), state_dir / _FILE]:
        for line in _lines(file):
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
    return found


def _lines(file: Path) -> Iterator[str]:
    """The lines of a journal; of one that is longer than any of ours, pieces that are no entries."""
    if not os.path.lexists(file):
        return
    with translated(file), regular_files.opened(file) as raw, io.BufferedReader(raw) as lines:  # type: ignore[type-var]
        while line := lines.readline(_LONGEST):
            yield line.decode("utf-8", "replace")
