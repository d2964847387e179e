"""Durations as text."""

from datetime import timedelta


def format_duration(length: timedelta) -> str:
    """`2 d 3 h`: the largest unit that is not 0, and the next smaller one if that is not 0. No sign."""
    whole = timedelta(seconds=int(abs(length).total_seconds()))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(whole.days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((index for index, (value, _) in enumerate(parts) if value), len(parts) - 1)
    shown = [f"{value} {unit}" for value, unit in parts[first : first + 2] if value]
    return " ".join(shown) or "0 s"


def format_seconds(seconds: float) -> str:
    """A measured time: to a tenth of a second below a minute, else as `format_duration`."""
    return f"{seconds:.1f} s" if 0 <= seconds < 60 else format_duration(timedelta(seconds=seconds))
