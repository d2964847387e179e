"""The figures of a progress bar or line: how much is done, how fast, and how long the rest takes."""

from dataclasses import dataclass

from ledgerflow_ops.core.sizes import format_size


@dataclass(frozen=True, slots=True)
class Work:
    """What is being done. `done` and `total` are bytes, or things that `things` names ("backups read").

    `total` is None where it is not known; a total of bytes is an estimate. `expected` is how long the work
    took the last time, in seconds; None if that is not known.
    """

    what: str
    done: int = 0
    total: int | None = None
    things: str = ""
    expected: float | None = None

    @property
    def share(self) -> float | None:
        """The part that is done, from 0 to 1; None where the total is not known or was estimated too low."""
        return self.done / self.total if self.total and self.done <= self.total else None


def figures(work: Work, per_second: float | None, elapsed: float) -> str:
    """`12.3 MB of about 29.0 MB, 4.1 MB/s, 0:04 left`. Where nothing is measured, `about 0:04 left`
    of the expected duration; the time so far without one, or after it.

    `per_second` is the rate now, None while it is not known; `elapsed` is in seconds.
    """
    if not work.done:
        ahead = (work.expected or 0.0) - elapsed
        return f"about {format_clock(ahead)} left" if ahead >= 1 else format_clock(elapsed)
    if work.things:
        parts = [f"{work.done:,} of {work.total:,} {work.things}"]
    else:
        of = f" of about {format_size(work.total)}" if work.total and work.share is not None else ""
        parts = [f"{format_size(work.done)}{of}"]
        parts += [f"{format_size(per_second)}/s"] if per_second else []
    left = remaining(work, per_second)
    return ", ".join([*parts, format_clock(elapsed) if left is None else f"{format_clock(left)} left"])


def remaining(work: Work, per_second: float | None) -> float | None:
    """The seconds that the rest takes at this rate; None where total or rate is not known."""
    if work.share is None or not per_second:
        return None
    return ((work.total or 0) - work.done) / per_second


def format_clock(seconds: float) -> str:
    """A duration as a clock shows it: `0:04`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plain_line(work: Work, per_second: float | None, elapsed: float) -> str:
    """One line for a pipe or a log: `dump: 42 %, 12.3 MB of about 29.0 MB, 4.1 MB/s, 0:04 left`."""
    share = f"{work.share:.0%}, ".replace("%", " %") if work.share is not None else ""
    begin = f"{work.what}: " if work.what else ""
    return f"{begin}{share}{figures(work, per_second, elapsed)}"


def pause_before_line(elapsed: float) -> float:
    """The seconds between two lines in a pipe: ten at first, then a tenth of the time so far."""
    return max(10.0, elapsed / 10)
