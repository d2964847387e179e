"""Which bad or missing files of copies are replaced, and from where: a plan with a reason for each backup."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledgerflow_ops.core.archive.copies import CopyState, PlacedCopy


@dataclass(frozen=True, slots=True)
class Repair:
    """One copy to repair: of the backup whose dump is `file`, in `target`. `why` is what is wrong with it.

    `sources` are the places of good copies, in the order in which they are tried; without one nothing can be
    done.
    """

    file: str
    target: str
    why: str
    sources: tuple[str, ...]

    @property
    def possible(self) -> bool:
        return bool(self.sources)

    @property
    def sentence(self) -> str:
        """The plan for this copy, for people."""
        if not self.possible:
            return f"{self.file} in {self.target} is bad ({self.why}), and no good copy of it is known."
        return f"{self.file} in {self.target} is bad ({self.why}): from {self.sources[0]}."


def plan_repairs(backups: Iterable[tuple[str, Sequence[PlacedCopy]]]) -> list[Repair]:
    """The copies to repair, of pairs of a dump's file and its copies in all places, the primary first.

    Only a copy that is bad is repaired: a missing one is made by the archive's run or by a backfill. A copy
    that is only not proven is no source.
    """
    return [
        Repair(file, copy.place.name, copy.note or "its files are not what its manifest commits", good)
        for file, copies in backups
        for good in [tuple(copy.place.name for copy in copies if copy.state is CopyState.GOOD)]
        for copy in copies
        if copy.state is CopyState.BAD
    ]
