"""Limits how fast bytes are written."""

from ledgerflow_ops.adapters.system import clock

_LONGEST = 0.5
"""Seconds of one pause, so that an interruption is noticed soon."""


class Pace:
    """At most `rate` bytes per second, on average from its creation on; None for no limit."""

    def __init__(self, rate: int | None) -> None:
        self._rate, self._begun, self._done = rate, clock.monotonic(), 0

    def take(self, count: int) -> None:
        """Wait until so many more bytes may be written."""
        if self._rate is None:
            return
        self._done += count
        due = self._begun + self._done / self._rate
        while (wait := due - clock.monotonic()) > 0:
            clock.pause(min(wait, _LONGEST))
