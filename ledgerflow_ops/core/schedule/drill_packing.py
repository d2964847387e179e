"""Packs whole drills into nights: each drill in one night, before it is due, no night above its capacity.

Packing is NP-hard. First-fit decreasing is never far from the best (Johnson et al., Worst-Case Performance
Bounds for Simple One-Dimensional Packing Algorithms, SIAM Journal on Computing 3, 1974). The smallest
capacity is searched with it by bisection: MULTIFIT (Coffman, Garey & Johnson, An Application of Bin-Packing
to Multiprocessor Scheduling, SIAM Journal on Computing 7, 1978).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

_TRIES = 2_000
"""How many placements the search tries where both orders fail."""


@dataclass(frozen=True, slots=True)
class DueDrill:
    """A drill that takes `seconds` and is due within `nights` nights; 1 means tonight."""

    seconds: float
    nights: int


def pack_drills(drills: Sequence[DueDrill], capacity: float, *, search: bool = False) -> list[int] | None:
    """The night of each drill, from 1 (tonight) on, each as late as possible; None if no packing was found.

    Drills that fitted into one night fit into one night again, and are placed together first: a rotation that
    fits once therefore keeps fitting. `search` tries further packings if both orders fail.
    """
    if not _may_fit(drills, capacity):
        return None
    places = range(len(drills))
    soonest = sorted(places, key=lambda place: (drills[place].nights, -drills[place].seconds))
    longest = sorted(places, key=lambda place: (-drills[place].seconds, drills[place].nights))
    return (
        _fit_latest(drills, soonest, capacity)
        or _fit_latest(drills, longest, capacity)
        or (_Search(drills, soonest, capacity).result() if search else None)
    )


def smallest_capacity(seconds: Sequence[float], nights: int) -> int:
    """The smallest capacity in whole minutes found, near the optimum, with which all drills fit into the
    `nights`. 0 for no drill.
    """
    drills = [DueDrill(length, nights) for length in sorted(seconds, reverse=True)]
    if not drills:
        return 0
    least = math.ceil(max(drills[0].seconds, sum(seconds) / nights) / 60)
    most = math.ceil((sum(seconds) / nights + drills[0].seconds) / 60)
    order = range(len(drills))
    span = range(least, most + 1)
    place = bisect_left(span, True, key=lambda minutes: bool(_fit_latest(drills, order, minutes * 60)))
    return span[min(place, len(span) - 1)]


def _may_fit(drills: Sequence[DueDrill], capacity: float) -> bool:
    """Whether the nights up to each due date have enough time for all drills due by then, if split freely."""
    due = [0.0] * (max((drill.nights for drill in drills), default=0) + 1)
    for drill in drills:
        due[drill.nights] += drill.seconds
    total = 0.0
    for night, seconds in enumerate(due):
        total += seconds
        if total > night * capacity:
            return False
    return True


def _fit_latest(drills: Sequence[DueDrill], order: Sequence[int], capacity: float) -> list[int] | None:
    """Each drill, in this order, in the latest of its nights with enough time; None if one does not fit."""
    free = [capacity] * (max((drill.nights for drill in drills), default=0) + 1)
    nights = [0] * len(drills)
    for place in order:
        night = _latest(free, drills[place])
        if not night:
            return None
        free[night] -= drills[place].seconds
        nights[place] = night
    return nights


def _latest(free: Sequence[float], drill: DueDrill, before: int = 0) -> int:
    """The latest of its nights with enough time for it, before `before` if that is given; 0 for none."""
    first = min(drill.nights, before - 1) if before else drill.nights
    seconds = drill.seconds
    for night in range(first, 0, -1):
        if free[night] >= seconds:
            return night
    return 0


class _Search:
    """A limited search: if a drill does not fit, the one before it moves to an earlier night."""

    def __init__(self, drills: Sequence[DueDrill], order: Sequence[int], capacity: float) -> None:
        self.drills, self.order = drills, order
        self.free = [capacity] * (max((drill.nights for drill in drills), default=0) + 1)
        self.nights = [0] * len(drills)

    def result(self) -> list[int] | None:
        """The night of each drill; None where none was found in time."""
        depth = 0
        for _ in range(_TRIES):
            if depth == len(self.order):
                return self.nights
            place = self.order[depth]
            seconds, was = self.drills[place].seconds, self.nights[place]
            self.free[was] += seconds if was else 0.0
            self.nights[place] = night = _latest(self.free, self.drills[place], was)
            self.free[night] -= seconds if night else 0.0
            depth += 1 if night else -1
            if depth < 0:
                return None
        return None
