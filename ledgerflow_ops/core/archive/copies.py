"""The copies of one backup, and the 3-2-1 rule: three copies, on two kinds of storage, one of them elsewhere.

The rule is Peter Krogh's (The DAM Book, 2005), and CISA recommends it (Data Backup Options, 2012).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.hints import Hint, make

COPIED, RULE = "copied", "three_two_one"
"""The checks of a backup's copies: whether it is in its locations, and whether its copies suffice."""
SETTINGS = "settings"
"""The cause of a failed check where even good copies in all locations would not meet the rule."""
_COPIES, _MEDIA = 3, 2


class CopyState(StrEnum):
    """What is known of a backup's copy in a location, without reading its bytes."""

    GOOD = "good"
    """It is committed and proven there, and its files have the committed sizes."""
    UNPROVEN = "not proven"
    BAD = "bad"
    FOREIGN = "another backup"
    """A sound manifest of this name commits other bytes."""
    INCOMPLETE = "incomplete"
    """Some of its files are there, and no manifest commits them."""
    MISSING = "missing"
    UNKNOWN = "not known"
    """The location cannot be read now."""


@dataclass(frozen=True, slots=True)
class Place:
    """A location as the rule sees it. Places with the same `medium` are lost together: a disk, a service.

    `elsewhere`: it survives the loss of this machine and of the building that it is in.
    """

    name: str
    medium: str
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class PlacedCopy:
    """A backup's copy in a place. `note` says more about a state that is not good."""

    place: Place
    state: CopyState
    note: str = ""


def judge_copies(file: str, copies: Sequence[PlacedCopy]) -> Check:
    """Check whether a backup's copies meet the rule. `copies` has one for each place, the primary first.

    It never makes the backup bad. The cause is SETTINGS where the places themselves do not suffice.
    """
    good = [copy.place for copy in copies if copy.state is CopyState.GOOD]
    lacks = missing_of_rule(good)
    if not lacks:
        return passed(RULE, f"{file}: {_counted(good)}.")
    cause = SETTINGS if missing_of_rule([copy.place for copy in copies]) else "copies"
    others = [_described(copy) for copy in copies if copy.state is not CopyState.GOOD]
    listed = f" Not counted: {'; '.join(others)}." if others else ""
    message = f"{file} does not meet the 3-2-1 rule: {', '.join(lacks)}. {_counted(good)}.{listed}"
    return warned(RULE, cause, message, _hint(cause))


def missing_of_rule(places: Iterable[Place]) -> list[str]:
    """What these places lack of the rule, in words; empty where they meet it."""
    known = list(places)
    media = {place.medium for place in known}
    lacks = []
    if len(known) < _COPIES:
        lacks.append(f"{len(known)} of {_COPIES} copies")
    if len(media) < _MEDIA:
        lacks.append(f"{len(media)} of {_MEDIA} kinds of storage")
    if not any(place.elsewhere for place in known):
        lacks.append("none elsewhere")
    return lacks


def rule_hint() -> Hint:
    """How to add a location."""
    return Hint(
        "Add a location to ledgerflow.toml, one of them elsewhere ([[locations]], docs/archive.md); then ",
        make("doctor"),
    )


def _hint(cause: str) -> Hint:
    if cause == SETTINGS:
        return rule_hint()
    return Hint(make("archive"), " makes the missing copies; ", make("repair"), " replaces bad ones.")


def _counted(good: Sequence[Place]) -> str:
    names = ", ".join(place.name for place in good)
    media = count_of(len({place.medium for place in good}), "kind")
    elsewhere = sum(place.elsewhere for place in good)
    copies = count_of(len(good), "good copy", "good copies")
    return f"{copies}{f' ({names})' if good else ''}, {media} of storage, {elsewhere} elsewhere"


def _described(copy: PlacedCopy) -> str:
    return f"{copy.place.name} is {copy.state}" + (f" ({copy.note})" if copy.note else "")
