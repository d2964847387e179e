"""The matrix of damages: kind of damage to a backup × the check that detected it first."""

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
    ("row sealed", "rows"),
    ("  table ", "rows"),
    ("its data differs from the source", "contents"),
    ("  sequence ", "sequences"),
    ("large objects", "large objects"),
    ("DDL", "DDL"),
)
"""Part of a backup's error message, and the comparison that raises it, in the order of the comparisons."""


@dataclass
class DamageMatrix:
    """Counts by kind of damage and by the check that detected it."""

    title: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, caught: str) -> None:
        with self.lock:
            self.counts[kind, caught] += 1

    @property
    def text(self) -> str:
        """One line per kind with its counts in numbered columns, and a legend of the columns."""
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
def print_at_end(request: pytest.FixtureRequest, *matrices: DamageMatrix) -> Iterator[None]:
    """Print the matrices to the terminal when the block ends, whatever captures output."""
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        for matrix in matrices:
            if matrix.counts:
                print(f"\n\n{matrix.text}\n")


def caught_by(error: LedgerError) -> str:
    """The comparison of a backup that raised the error, by the error's message."""
    return next((f"backup: {word}" for phrase, word in _CAUSES if phrase in error.message), "backup: other")
