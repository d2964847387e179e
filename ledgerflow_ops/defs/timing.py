"""How patient the definitions are: one set of figures for servers, one for a person at a terminal."""

from dataclasses import dataclass, field

import dagster as dg

from ledgerflow_ops.core.night import Rhythm


@dataclass(frozen=True, slots=True)
class Timing:
    """`retries` of a step that failed of what may pass, the first after `retry_delay` seconds, each wait
    double the one before; sensors look every `sensor_seconds`; a run that was launched has `begin_seconds` to
    say which process works on it."""

    rhythm: Rhythm = field(default_factory=Rhythm)
    retries: int = 4
    retry_delay: float = 30
    sensor_seconds: int = 30
    begin_seconds: int = 120

    @property
    def policy(self) -> dg.RetryPolicy | None:
        """As Dagster takes it. What does not pass says so itself (`runs.on_record`)."""
        if not self.retries:
            return None
        return dg.RetryPolicy(self.retries, self.retry_delay, dg.Backoff.EXPONENTIAL)


SERVED = Timing()
BY_HAND = Timing(retries=0)
"""Whoever waits at a terminal is told at once, and tries again when he likes."""
