"""What a program can do to the data, and the surroundings that it would do it in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Effect(IntEnum):
    """How bad it can be; of several, the greatest counts."""

    READS = 0
    CHANGES = 1
    DESTROYS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What something could do at worst, in words for people. `unread`: because it cannot be read."""

    effect: Effect
    why: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """Where a program would run.

    `data` are the protected folders in its container (absolute; none in an application container, which
    only reaches the database over the network). `terminal`: a person types; `input`: something else is
    attached to its standard input. `workdir` is what relative paths start from.
    """

    data: tuple[str, ...]
    terminal: bool
    input: bool
    workdir: str = "/"


Judge = Callable[[Sequence[str], Around], Finding]
"""Judges a command line within a command line."""


def reads(why: str) -> Finding:
    return Finding(Effect.READS, why)


def changes(why: str) -> Finding:
    return Finding(Effect.CHANGES, why)


def destroys(why: str) -> Finding:
    return Finding(Effect.DESTROYS, why)


def unread(why: str) -> Finding:
    """What cannot be read may do anything."""
    return Finding(Effect.DESTROYS, why, unread=True)


def worst(findings: Iterable[Finding], otherwise: str) -> Finding:
    """The worst, what is known before what is not read; without any, `otherwise` says what is done."""
    return max(findings, key=lambda found: (found.effect, not found.unread), default=reads(otherwise))


def opaque(why: str, around: Around) -> Finding:
    """Nobody sees what it does: next to the data it may destroy, elsewhere it may reach the database."""
    return unread(f"{why}, next to the data") if around.data else changes(why)


def seated(what: str, around: Around) -> Finding:
    """A program that does what it is told on its standard input."""
    if around.input:
        return unread(f"{what} reads what it does from standard input, which nobody can judge beforehand")
    if around.terminal:
        return changes(f"opens {what}: what is typed inside is not seen")
    return reads(f"starts {what} with nothing to read")
