"""The only module that reads the clock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def pause(seconds: float) -> None:
    """Sleep for so many seconds."""
    time.sleep(seconds)


def monotonic() -> float:
    """Seconds since the machine was started, without suspended time; the same for all processes."""
    return time.monotonic()


class Stopwatch:
    """Durations by phase, in seconds, from a monotonic clock."""

    def __init__(self) -> None:
        self.durations: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the duration of the block to the phase `name`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            self.durations[name] = round(self.durations.get(name, 0.0) + spent, 4)


class Throttle:
    """Limits how often something is done."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether `seconds` have passed since it was last due, or since the object was created."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
