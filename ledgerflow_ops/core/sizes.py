"""Checks a dump's size against its manifest, a minimum, and the sizes of recent backups."""

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
    """A number of bytes for people, in units of 1000: `20.5 KB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def tolerance(history: Sequence[int]) -> float:
    """How many bytes a size may differ from the median of `history` without a warning.

    The largest of: six robust deviations, 30 % of the median, 64 KiB. The last two avoid false alarms: a
    steady history has a deviation of 0, and growth from 20 KB to 22 KB is normal.
    """
    middle = median(history)
    deviation = median(abs(size - middle) for size in history) * _MAD_TO_SIGMA
    return max(_DEVIATIONS * deviation, _SHARE * middle, _LEAST_CHANGE)


def check_size(
    size: int, *, committed: int | None, floor: int, rows: int | None, history: Sequence[int]
) -> Check:
    """The check `size` of a dump of `size` bytes.

    `committed` is the size in its manifest, None without one. `floor` applies unless the database is known to
    have no rows. `history` holds the sizes in bytes of recent backups of the same environment, without this
    one. Only an empty file and one of another size than committed are errors: they are not whole. A size
    below the floor and an unusual one are warnings: a small database has a small dump, databases do shrink
    and grow, and the drill is the proof.
    """
    if size == 0:
        return failed(
            "size", "empty", "The file is empty: 0 bytes.", Hint("Take another backup: ", make("backup"))
        )
    if committed is not None and size != committed:
        word = "truncated" if size < committed else "longer than it was"
        hint = Hint("Take the right file from another location, or take another backup: ", make("backup"))
        return failed(
            "size", "truncated", f"The file is {word}: {size:,} bytes; {committed:,} were committed.", hint
        )
    if size < floor and rows != 0:
        hint = Hint("First check the source: is it the right database, and does it still have its rows?")
        return warned("size", "floor", f"{size:,} bytes are below size_floor, which is {floor:,}.", hint)
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
