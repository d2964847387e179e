"""Lengths of time in words."""

from datetime import timedelta


def format_duration(length: timedelta) -> str:
    """In its largest unit and the one below it, where that is not 0; the sign is left out."""
    whole = timedelta(seconds=int(abs(length).total_seconds()))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(whole.days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((place for place, (value, _) in enumerate(parts) if value), len(parts) - 1)
    shown = [f"{value} {unit}" for value, unit in parts[first : first + 2] if value]
    return " ".join(shown) or "0 s"


def format_seconds(seconds: float) -> str:
    """A time that was measured: below a minute to a tenth of a second."""
    return f"{seconds:.1f} s" if 0 <= seconds < 60 else format_duration(timedelta(seconds=seconds))
