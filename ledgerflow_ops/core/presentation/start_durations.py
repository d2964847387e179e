"""How long each phase of `make up` takes, from the last start: the estimate that its progress shows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ledgerflow_ops.core.progress import UP_STEPS, Step

LONGEST = 600.0
"""Seconds. A longer phase was suspended or stuck and says nothing about the next start."""

StartDurations = Mapping[Step, float]
"""The seconds that each phase took."""


def measured(marks: Sequence[tuple[Step, float]], end: float, begun: Collection[Step]) -> StartDurations:
    """The durations of the phases in `begun`: those that had something to start.

    `marks` are the phases in their order, each with the instant at which it began; `end` is that at which
    the last one ended. All are seconds of one monotonic clock.
    """
    ends = [*(instant for _, instant in marks[1:]), end]
    spans = ((step, until - since) for (step, since), until in zip(marks, ends, strict=True))
    return {step: span for step, span in spans if step in begun and 0 < span <= LONGEST}


def parsed(stored: Mapping[str, Any]) -> StartDurations:
    """The durations in a stored object; phases and values that cannot be ours are left out."""
    known = {step: stored[step] for step in UP_STEPS if type(stored.get(step)) in (int, float)}
    return {step: float(seconds) for step, seconds in known.items() if 0 < seconds <= LONGEST}
