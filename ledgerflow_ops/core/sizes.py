"""Judges a dump's size: against a floor, and against the sizes of recent days."""

from collections.abc import Sequence
from statistics import median

from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.hints import Hint, make

_MINIMUM_HISTORY = 4
_DEVIATIONS = 6.0
_SHARE = 0.3
_LEAST_CHANGE = 65_536
_MAD_TO_SIGMA = 1.4826
"""Scales the median absolute deviation to a normal distribution's sigma (Rousseeuw & Croux, 1993)."""


def format_size(size: float) -> str:
    """A number of bytes as people read it, in units of 1000."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def tolerance(history: Sequence[int]) -> float:
    """How far, in bytes, a size may lie from the median of `history` without being told.

    The largest of: six robust deviations, 30 % of the median, 64 KiB. A steady history has a
    deviation of nothing, and 20 KB becoming 22 KB is nobody's alarm.
    """
    middle = median(history)
    deviation = median(abs(size - middle) for size in history) * _MAD_TO_SIGMA
    return max(_DEVIATIONS * deviation, _SHARE * middle, _LEAST_CHANGE)


def check_size(size: int, *, floor: int, rows: int | None, history: Sequence[int]) -> Check:
    """The verdict on a dump of `size` bytes.

    `floor` holds for a database with rows (or of which nothing is known); `history` are the sizes of
    recent backups of the same environment, without this one. Below the floor is an error, an
    unusual size a warning: books do shrink and grow, and the proof is the drill's to give.
    """
    if size == 0:
        return failed(
            "size", "empty", "The file is empty: 0 bytes.", Hint("Take another backup: ", make("backup"))
        )
    if size < floor and rows != 0:
        hint = Hint(
            "Look at the source before anything else: is it the right database, and are its rows there?"
        )
        return failed(
            "size", "floor", f"{format_size(size)} is below the floor of {format_size(floor)}.", hint
        )
    if len(history) < _MINIMUM_HISTORY:
        return passed(
            "size", f"{format_size(size)}; too few earlier backups to compare with ({len(history)})."
        )
    middle = median(history)
    if abs(size - middle) > tolerance(history):
        word = "larger" if size > middle else "smaller"
        return warned(
            "size",
            "history",
            f"{format_size(size)} is much {word} than the last {len(history)} backups "
            f"(median {format_size(middle)}).",
            Hint("Compare the rows per table in the metadata with those of an earlier day."),
        )
    return passed(
        "size",
        f"{format_size(size)}; the last {len(history)} backups have a median of {format_size(middle)}.",
    )
