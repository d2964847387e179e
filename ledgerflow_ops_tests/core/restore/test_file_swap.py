"""Swapping restored files in: after a crash at any point, the swap can be completed or reverted."""

import contextlib
import itertools
from dataclasses import replace

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.restore.file_swap import (
    FileSwap,
    OccupiedNames,
    Rename,
    SwappedRoot,
    SwapPhase,
    backward_renames,
    forward_renames,
    require_id,
    space_needed,
)
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.core.records import NOON

SWAP = FileSwap(
    id="x",
    environment=Environment.DEV,
    dump="y.dump",
    manifest_digest="0",
    begun_at=NOON,
    phase=SwapPhase.SWAPPING,
    places=(),
)
FIELDS = ("root", "restoring", "before", "undone")


def _names(place: SwappedRoot) -> dict[str, str]:
    return dict(zip((place.root, *SWAP.names(place)), FIELDS, strict=True))


def _after(place: SwappedRoot, there: OccupiedNames, step: Rename) -> OccupiedNames:
    """What is there once that step is carried out, which must be possible."""
    names = _names(place)
    assert getattr(there, names[step.source])
    assert not getattr(there, names[step.target])
    return replace(there, **{names[step.source]: False, names[step.target]: True})


def _all(place: SwappedRoot, there: OccupiedNames, steps: tuple[Rename, ...]) -> list[OccupiedNames]:
    """Every state that carrying the steps out goes through, the first and the last among them."""
    seen = [there]
    for step in steps:
        seen.append(_after(place, seen[-1], step))
    return seen


@pytest.mark.parametrize("existed", [True, False])
def test_from_every_moment_of_a_swap_both_ends_can_be_reached(existed: bool) -> None:
    place = SwappedRoot(root="/srv/media", existed=existed)
    begin = OccupiedNames(root=existed, restoring=True, before=False, undone=False)
    moments = _all(place, begin, forward_renames(SWAP, place, begin))
    assert moments[-1] == OccupiedNames(root=True, restoring=False, before=existed, undone=False)
    for moment in moments:
        assert _all(place, moment, forward_renames(SWAP, place, moment))[-1] == moments[-1]
        back = _all(place, moment, backward_renames(SWAP, place, moment))
        assert (back[-1].root, back[-1].before) == (existed, False)
        for halfway in back:  # killed on the way back: the way back goes on from there
            assert _all(place, halfway, backward_renames(SWAP, place, halfway))[-1] == back[-1]


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("bits", [*itertools.product([True, False], repeat=4)])
def test_whatever_is_there_nothing_is_ever_renamed_over_anything(
    bits: tuple[bool, bool, bool, bool], existed: bool
) -> None:
    place, there = SwappedRoot(root="/srv/media", existed=existed), OccupiedNames(*bits)
    for way in (forward_renames, backward_renames):
        with contextlib.suppress(LedgerError):
            moments = _all(place, there, way(SWAP, place, there))
            if existed and (there.root or there.before):
                assert all(moment.root or moment.before for moment in moments)


def test_what_somebody_else_has_put_there_is_not_renamed() -> None:
    place = SwappedRoot(root="/srv/media", existed=True)
    for way in (forward_renames, backward_renames):
        with pytest.raises(LedgerError, match="Something other than this restore"):
            way(SWAP, place, OccupiedNames(root=True, restoring=True, before=True, undone=False))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "-a", "x" * 41, "a.b"])
def test_an_id_is_part_of_a_files_name(name: str) -> None:
    with pytest.raises(SettingsError):
        require_id(name)
    require_id("20261123-1200")


def test_room_is_counted_for_each_disk() -> None:
    state = records.files_state(("/a", "x", 1000), ("/a", "y", 500), ("/b", "z", 10), ("/c", "z", 7))
    needed = space_needed(state, {"/a": 1, "/b": 2, "/c": 1})
    assert needed == {1: 1507 + 5 * 4096, 2: 10 + 2 * 4096}
