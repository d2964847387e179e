"""Retry and polling intervals: one set for runs on the servers, one for a person at a terminal."""

from dataclasses import dataclass, field

import dagster as dg

from ledgerflow_ops.core.schedule.nightly_plan import RetryPolicy


@dataclass(frozen=True, slots=True)
class Timing:
    """Retry and polling intervals.

    A step that failed for a transient reason is retried up to `retries` times: first after `retry_delay`
    seconds, then after twice the previous delay. Sensors tick every `sensor_seconds`. A launched run has
    `begin_seconds` to record its process id before it counts as lost. `nightly` says when nightly runs are
    requested and retried.
    """

    nightly: RetryPolicy = field(default_factory=RetryPolicy)
    retries: int = 4
    retry_delay: float = 30
    sensor_seconds: int = 30
    begin_seconds: int = 120

    def retry_request(self, retried: int) -> dg.RetryRequested | None:
        """What makes Dagster retry a step after `retried` retries; None where nothing is retried.

        A Dagster RetryPolicy would not do: it also retries a step that was interrupted by a person or by the
        run's time limit. That step would then never end, because Dagster interrupts a run only once.
        """
        if not self.retries:
            return None
        return dg.RetryRequested(self.retries, self.retry_delay * 2**retried)


SERVER_TIMING = Timing()
TERMINAL_TIMING = Timing(retries=0)
"""A person at a terminal sees a failure at once, and decides when to retry."""
