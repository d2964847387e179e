"""The only place that reads the clock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def pause(seconds: float) -> None:
    """Let so much time go by."""
    time.sleep(seconds)


def awake() -> float:
    """Seconds for which the machine has been awake since it was started: the same count for all processes."""
    return time.monotonic()


class Stopwatch:
    """Durations by phase, in seconds, from the monotonic clock: a clock that jumps does not touch them."""

    def __init__(self) -> None:
        self.durations: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the phase `name`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            self.durations[name] = round(self.durations.get(name, 0.0) + spent, 4)


class Pace:
    """Says when something that would come too often is due again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether `seconds` have passed since it was last due (or since the beginning)."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
