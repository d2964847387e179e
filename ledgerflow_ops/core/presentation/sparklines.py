"""Charts made of characters: a strip of days and a sparkline of sizes, with or without Unicode."""

from collections.abc import Iterable, Sequence

from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.presentation import day_status
from ledgerflow_ops.core.presentation.day_status import DayStatus

_RISING = "▁▂▃▄▅▆▇█", "_.-=+*%#"
_BETWEEN = {rung.word for rung in Rung if Rung.WRITTEN < rung < Rung.RESTORED}

_SIGNS: dict[str, tuple[str, str, str]] = {
    "valid": ("█", "#", "proven valid"),
    "restored": ("▓", "=", "restored or equal"),
    "readable": ("▒", "-", "hashed or readable"),
    "written": ("░", ".", "written only"),
    "bad": ("✗", "X", "bad"),
    "unrestorable": ("⊗", "U", "source unrestorable"),
    "unjudged": ("?", "!", "could not be judged"),
    "not local": ("○", "o", "not local"),
    day_status.ROTATED: ("▫", ",", "rotated away"),
    day_status.MISSING: ("·", "_", "missing"),
    day_status.DUE: ("…", "?", "due today"),
    day_status.BEFORE: (" ", " ", ""),
}
"""For each kind: the sign, its ASCII form, and its text in the legend. Signs differ in shape, not only in
colour."""
_SAME = {"equal": "restored", **dict.fromkeys(_BETWEEN, "readable")}


def sign_kind(state: str) -> str:
    """The kind of sign for a state: `equal` is shown like `restored`."""
    kind = _SAME.get(state, state)
    return kind if kind in _SIGNS else "written"


def day_strip(days: Sequence[DayStatus], *, plain: bool = False) -> list[tuple[str, str]]:
    """A sign and its kind for each day. `plain`: in ASCII."""
    return [(_SIGNS[kind][1 if plain else 0], kind) for kind in (sign_kind(day.state) for day in days)]


def strip_legend(days: Iterable[DayStatus], *, plain: bool = False) -> list[tuple[str, str, str]]:
    """The signs that occur, each with its kind and its text, the best state first."""
    occur = {sign_kind(day.state) for day in days}
    return [
        (signs[1 if plain else 0], kind, signs[2])
        for kind, signs in _SIGNS.items()
        if kind in occur and signs[2]
    ]


def sparkline(values: Sequence[float | None], *, plain: bool = False) -> str:
    """A sparkline of the values, with a gap where there is none.

    The height is at least 5 % of the largest value, so that values that hardly change are drawn level.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    levels = _RISING[1 if plain else 0]
    height = max(high - low, 0.05 * abs(high)) or 1.0
    middle = (low + high) / 2
    bottom = low if high - low >= 0.05 * abs(high) else middle - height / 2
    return "".join(" " if value is None else _level(levels, (value - bottom) / height) for value in values)


def _level(levels: str, share: float) -> str:
    return levels[min(len(levels) - 1, max(0, int(share * len(levels))))]
