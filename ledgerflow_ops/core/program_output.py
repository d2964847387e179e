"""What a program prints, as lines for a run's log: without secrets, and bounded in number and length."""

from collections import deque
from collections.abc import Callable

from ledgerflow_ops.core.durations import format_seconds
from ledgerflow_ops.core.secrets_in_text import mask_secrets

MOST_LINES = 200
"""The lines of one program that are reported. Each is a row in Dagster's storage."""
LONGEST_LINE = 500
"""The characters of a line that are reported."""
_MOST_PENDING = 64 * 1024
"""The bytes of a line without an end that are kept."""


class ProgramOutput:
    """Collects the bytes that a program prints, in one thread, and reports them as lines, in another.

    `report` takes a line.
    """

    def __init__(self, program: str, report: Callable[[str], None]) -> None:
        self._program, self._report = program, report
        self._begun = bytearray()
        self._lines = deque[str]()
        self._reported = self._left_out = 0

    def feed(self, data: bytes) -> None:
        """The next bytes that the program has printed."""
        *lines, rest = (bytes(self._begun) + data).split(b"\n")
        self._begun = bytearray(rest[:_MOST_PENDING])
        self._lines.extend(line.decode("utf-8", "replace") for line in lines)

    def flush(self) -> None:
        """Report the complete lines."""
        while self._lines:
            self._report_line(self._lines.popleft().rstrip())

    def end(self, how: str, seconds: float) -> None:
        """Report what is left, and that the program has ended: `how` is its exit code in words."""
        self.feed(b"\n")
        self.flush()
        if self._left_out:
            self._report(f"{self._program}: {self._left_out:,} more lines are left out here")
        self._report(f"{self._program}: {how} after {format_seconds(seconds)}")

    def _report_line(self, line: str) -> None:
        if not line:
            return
        if self._reported == MOST_LINES:
            self._left_out += 1
            return
        self._reported += 1
        text = mask_secrets(line)
        self._report(text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} …")
