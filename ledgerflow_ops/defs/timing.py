"""How patient the definitions are: one set of figures for servers, one for a person at a terminal."""

from dataclasses import dataclass, field

import dagster as dg

from ledgerflow_ops.core.schedule.nightly_plan import RetryPolicy


@dataclass(frozen=True, slots=True)
class Timing:
    """`retries` of a step that failed of what may pass, the first after `retry_delay` seconds, each wait
    double the one before; sensors look every `sensor_seconds`; a run that was launched has `begin_seconds` to
    say which process works on it."""

    rhythm: RetryPolicy = field(default_factory=RetryPolicy)
    retries: int = 4
    retry_delay: float = 30
    sensor_seconds: int = 30
    begin_seconds: int = 120

    def again(self, before: int) -> dg.RetryRequested | None:
        """What asks Dagster to try a step again that was tried again `before` times; None for once at most.

        No RetryPolicy: by that Dagster also goes on with what was told to end, by a person or because it took
        too long, and goes on for ever, for it tells a run only once.
        """
        if not self.retries:
            return None
        return dg.RetryRequested(self.retries, self.retry_delay * 2**before)


SERVED = Timing()
BY_HAND = Timing(retries=0)
"""Whoever waits at a terminal is told at once, and tries again when he likes."""
