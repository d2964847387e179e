"""Which backup the key-survival drill restores: in turn, the one that the escrowed identity opened least
recently."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.core.durations import format_duration


@dataclass(frozen=True, slots=True)
class KeyDrillCandidate:
    """A retained backup. `obstacle` says why it is not restored; empty if it can be."""

    file: str
    recovery_point: datetime
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class KeyDrillChoice:
    """The backup to restore, empty if there is none, and why that one."""

    file: str
    reason: str


def choose_backup(
    candidates: Iterable[KeyDrillCandidate], restores: Mapping[str, datetime], now: datetime
) -> KeyDrillChoice:
    """The backup that was never restored with the escrowed identity, the oldest first; else the one whose
    restore with it is longest ago.

    `restores` has the time of each backup's last restore with it, by file; times are aware. Of those that
    were never restored the oldest is the likeliest to be for an earlier key, and rotation removes it first.
    """
    listed = list(candidates)
    able = sorted(
        (item for item in listed if not item.obstacle), key=lambda item: (item.recovery_point, item.file)
    )
    if not able:
        return KeyDrillChoice("", _obstacles(listed))
    if never := [item for item in able if item.file not in restores]:
        return KeyDrillChoice(never[0].file, "the oldest that was never restored with the escrowed identity")
    oldest = min(able, key=lambda item: restores[item.file])
    ago = format_duration(now - restores[oldest.file])
    return KeyDrillChoice(
        oldest.file, f"it was restored with the escrowed identity {ago} ago, longest of all"
    )


def _obstacles(candidates: list[KeyDrillCandidate]) -> str:
    """Why no backup can be restored."""
    if not candidates:
        return "there is no backup"
    first, more = candidates[0], len(candidates) - 1
    return f"{first.file}: {first.obstacle}" + (f", and {more} more" if more else "")
