"""Restored files take the place of those that are there, and give it back: decided by names alone.

Beside each root, under the id of the restore: `…__restoring_ID` what was unpacked, `…__before_ID` what was
there until then, `…__undone_ID` what was put in place and taken back.
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
from ledgerflow_ops.core.models import Record

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class SwapPhase(StrEnum):
    """How far a restore of files is. Written down before what it names is begun."""

    UNPACKING = "unpacking"
    SWAPPING = "swapping"
    SWAPPED = "swapped"
    TAKING_BACK = "taking back"
    TAKEN_BACK = "taken back"


class SwappedRoot(Record):
    """A root, and whether anything was there when the restore began."""

    root: str
    existed: bool


class FileSwap(Record):
    """The record of a restore of files: what a crash leaves it to, and what a rollback goes by."""

    version: Literal[1] = 1
    id: str
    environment: Environment
    dump: str
    manifest_digest: str
    begun_at: datetime
    phase: SwapPhase
    places: tuple[SwappedRoot, ...]

    def at(self, phase: SwapPhase) -> "FileSwap":
        """The same restore, that far."""
        return self.model_copy(update={"phase": phase})

    @property
    def file(self) -> str:
        """The name of its record."""
        return f"{self.environment}_{self.id}.files.json"

    def restoring(self, place: SwappedRoot) -> str:
        return f"{place.root}__restoring_{self.id}"

    def before(self, place: SwappedRoot) -> str:
        return f"{place.root}__before_{self.id}"

    def undone(self, place: SwappedRoot) -> str:
        return f"{place.root}__undone_{self.id}"

    def names(self, place: SwappedRoot) -> tuple[str, str, str]:
        """All that may lie beside a root on account of this restore."""
        return self.restoring(place), self.before(place), self.undone(place)


@dataclass(frozen=True, slots=True)
class Rename:
    """One step, which the system carries out as a whole or not at all."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class OccupiedNames:
    """Which of a root's names are taken."""

    root: bool
    restoring: bool
    before: bool
    undone: bool


def require_id(restore_id: str) -> None:
    """SettingsError unless it can be part of a file's name."""
    if not _ID.fullmatch(restore_id):
        raise SettingsError(
            f"{restore_id!r} cannot name a restore.", hint="Letters, digits, _ and -, at most 40 of them."
        )


def forward_renames(swap: FileSwap, place: SwappedRoot, taken: OccupiedNames) -> tuple[Rename, ...]:
    """What is left to do until the restored files are in their place."""
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
    """What is left to do until what was there before is there again."""
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
        f"Somebody else has changed what a restore left at {place.root}; nothing was renamed there.",
        hint=f"Look at {listed}: keep what you need, put the right one in place by hand.",
    )


def space_needed(state: FilesState, disks: Mapping[str, int]) -> dict[int, int]:
    """Bytes that unpacking takes on each disk; `disks` says on which each root lies."""
    needed = dict.fromkeys(disks.values(), 0)
    for root in state.roots:
        entries = [entry for entry in state.entries if entry.root == root]
        size = sum(entry.size for entry in entries)
        needed[disks[root]] += space_estimates.files_need(size, len(entries))
    return needed
