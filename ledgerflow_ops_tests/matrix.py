"""The matrix of damages: what was done to a backup × what caught it first."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from ledgerflow_ops.core.errors import LedgerError

_CAUSES = (
    ("could not be decoded", "decode"),
    ("text is incomplete", "decode"),
    ("DDL could not be read", "decode"),
    ("table of contents could not be read", "contents list"),
    ("roles file", "roles"),
    ("pg_dumpall failed", "roles"),
    ("on the disk is not what was written", "read back"),
    ("its digest does not match", "read back"),
    ("not a whole record", "read back"),
    ("rows sealed", "rows"),
    ("  table ", "rows"),
    ("its data differs from the source", "contents"),
    ("  sequence ", "sequences"),
    ("large objects", "large objects"),
    ("DDL", "DDL"),
)
"""What a backup's error says × the comparison that raised it, the earliest comparison first."""


@dataclass
class Matrix:
    """Counts by kind of damage and by what caught it."""

    title: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, caught: str) -> None:
        with self.lock:
            self.counts[kind, caught] += 1

    @property
    def text(self) -> str:
        """One line a kind, its counts in columns; a legend below, for the columns bear numbers."""
        kinds = list(dict.fromkeys(kind for kind, _ in self.counts))
        columns = sorted({caught for _, caught in self.counts}, key=str.casefold)
        width = max(map(len, kinds), default=0)
        lines = [
            f"{self.title}: {self.counts.total()} damages",
            " " * width + _cells(range(1, len(columns) + 1)),
        ]
        lines += [
            kind.ljust(width) + _cells(self.counts[kind, column] or "·" for column in columns)
            for kind in kinds
        ]
        totals = (sum(self.counts[kind, column] for kind in kinds) for column in columns)
        lines.append("together".ljust(width) + _cells(totals))
        return "\n".join([*lines, *(f"{number:6} {name}" for number, name in enumerate(columns, start=1))])


def _cells(values: Iterator[object] | range) -> str:
    return "".join(f"{value!s:>5}" for value in values)


@contextmanager
def printed(request: pytest.FixtureRequest, *matrices: Matrix) -> Iterator[None]:
    """Print the matrices to the terminal when the block ends, whatever captures output."""
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        for matrix in matrices:
            if matrix.counts:
                print(f"\n\n{matrix.text}\n")


def cause(error: LedgerError) -> str:
    """Which of a backup's own comparisons refused: the first that its message speaks of."""
    return next((f"backup: {word}" for phrase, word in _CAUSES if phrase in error.message), "backup: other")
