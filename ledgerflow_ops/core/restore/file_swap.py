"""Swaps restored files with those that are there, and back. The next step is decided from names alone.

Each root has siblings named by the id of the restore: `…__restoring_ID` holds what was unpacked,
`…__before_ID` what was there before, `…__undone_ID` what was put in place and rolled back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import Record

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class SwapPhase(StrEnum):
    """How far a restore of files is. It is recorded before the phase begins."""

    UNPACKING = "unpacking"
    SWAPPING = "swapping"
    SWAPPED = "swapped"
    TAKING_BACK = "taking back"
    TAKEN_BACK = "taken back"


class SwappedRoot(Record):
    """A root, and whether it existed when the restore began."""

    root: str
    existed: bool


class FileSwap(Record):
    """The record of a restore of files, for the recovery after a crash and for a rollback."""

    version: Literal[1] = 1
    id: str
    environment: Environment
    dump: str
    manifest_digest: str
    begun_at: datetime
    phase: SwapPhase
    places: tuple[SwappedRoot, ...]

    def at(self, phase: SwapPhase) -> "FileSwap":
        """The record of the same restore in this phase."""
        return self.model_copy(update={"phase": phase})

    @property
    def file(self) -> str:
        """The name of the record's file."""
        return f"{self.environment}_{self.id}.files.json"

    def restoring(self, place: SwappedRoot) -> str:
        return f"{place.root}__restoring_{self.id}"

    def before(self, place: SwappedRoot) -> str:
        return f"{place.root}__before_{self.id}"

    def undone(self, place: SwappedRoot) -> str:
        return f"{place.root}__undone_{self.id}"

    def names(self, place: SwappedRoot) -> tuple[str, str, str]:
        """All siblings that this restore may make beside a root."""
        return self.restoring(place), self.before(place), self.undone(place)


@dataclass(frozen=True, slots=True)
class Rename:
    """One atomic rename (POSIX rename)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class OccupiedNames:
    """Which of a root's names exist."""

    root: bool
    restoring: bool
    before: bool
    undone: bool


def require_id(restore_id: str) -> None:
    """SettingsError unless the id can be part of a file's name."""
    if not _ID.fullmatch(restore_id):
        raise SettingsError(
            f"{restore_id!r} cannot name a restore.",
            hint=Hint("Letters, digits, _ and -, at most 40 of them."),
        )


def forward_renames(swap: FileSwap, place: SwappedRoot, taken: OccupiedNames) -> tuple[Rename, ...]:
    """The renames that are left until the restored files are in place; LedgerError where others
    interfered.
    """
    aside = Rename(place.root, swap.before(place))
    into = Rename(swap.restoring(place), place.root)
    if taken.restoring and not taken.root:
        return (into,)
    if taken.restoring and not taken.before and place.existed:
        return (aside, into)
    if taken.root and not taken.restoring and taken.before is place.existed:
        return ()
    raise _unclear(swap, place)


def backward_renames(swap: FileSwap, place: SwappedRoot, taken: OccupiedNames) -> tuple[Rename, ...]:
    """The renames that are left until the earlier files are back; LedgerError where others interfered."""
    aside = Rename(place.root, swap.undone(place))
    if place.existed:
        again = Rename(swap.before(place), place.root)
        if not taken.before and taken.root:
            return ()
        if taken.before and not taken.root:
            return (again,)
        if taken.before and not taken.restoring and not taken.undone:
            return (aside, again)
    elif not taken.root:
        return ()
    elif not taken.restoring and not taken.undone:
        return (aside,)
    raise _unclear(swap, place)


def _unclear(swap: FileSwap, place: SwappedRoot) -> LedgerError:
    listed = ", ".join((place.root, *swap.names(place)))
    return LedgerError(
        f"Something other than this restore has changed the files at {place.root}; nothing was renamed.",
        hint=Hint(f"Check {listed}: keep what you need, and move the right one into place yourself."),
    )


def space_needed(state: FilesState, disks: Mapping[str, int]) -> dict[int, int]:
    """Bytes that unpacking takes on each disk. `disks` maps each root to its disk (st_dev)."""
    needed = dict.fromkeys(disks.values(), 0)
    for root in state.roots:
        entries = [entry for entry in state.entries if entry.root == root]
        size = sum(entry.size for entry in entries)
        needed[disks[root]] += space_estimates.files_need(size, len(entries))
    return needed
