"""What the measurements have in common: a figure with its limit, how time and the processor are read."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

PROJECT = Path(__file__).parent.parent
console = Console(highlight=False)


@dataclass
class Figure:
    """One claim: a measured value and the limit it is held to."""

    what: str
    value: float
    limit: float
    unit: str = "×"

    @property
    def kept(self) -> bool:
        return self.value <= self.limit


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes. What others have written is on the disk before: whoever syncs a file would
    wait for that as well."""
    os.sync()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def processor_of_children() -> float:
    """Seconds of the processor that the programs used that we have started and that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Our median by theirs."""
    return statistics.median(ours) / statistics.median(theirs)


def listed(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
