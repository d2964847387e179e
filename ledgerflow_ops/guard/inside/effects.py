"""The effects that a program can have on the data, and the surroundings that it would run in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Effect(IntEnum):
    """How severe an effect is; the most severe of several counts."""

    READS = 0
    CHANGES = 1
    DESTROYS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The worst possible effect, with the reason. `unread`: it is assumed because the text cannot be read."""

    effect: Effect
    why: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a program would run.

    `data` are the protected folders in its container (absolute; none in an application container, which
    only reaches the database over the network). `terminal`: a person types; `input`: something else is
    attached to its standard input. `workdir` is what relative paths start from.
    """

    data: tuple[str, ...]
    terminal: bool
    input: bool
    workdir: str = "/"


Judge = Callable[[Sequence[str], Surroundings], Finding]
"""Judges a command line within a command line."""


def reads(why: str) -> Finding:
    return Finding(Effect.READS, why)


def changes(why: str) -> Finding:
    return Finding(Effect.CHANGES, why)


def destroys(why: str) -> Finding:
    return Finding(Effect.DESTROYS, why)


def unread(why: str) -> Finding:
    """The finding for what cannot be read: it may destroy data."""
    return Finding(Effect.DESTROYS, why, unread=True)


def worst(findings: Iterable[Finding], otherwise: str) -> Finding:
    """The worst finding, a known one before an unread one; without any, one that reads, for `otherwise`."""
    return max(findings, key=lambda finding: (finding.effect, not finding.unread), default=reads(otherwise))


def opaque(why: str, around: Surroundings) -> Finding:
    """The finding for an unknown program: next to the data it may destroy them, elsewhere change them."""
    return unread(f"{why}, next to the data") if around.data else changes(why)


def interactive(what: str, around: Surroundings) -> Finding:
    """The finding for a program that reads commands from its standard input."""
    if around.input:
        return unread(f"{what} reads its commands from standard input, which cannot be judged in advance")
    if around.terminal:
        return changes(f"opens {what}, whose input cannot be checked")
    return reads(f"starts {what} with nothing to read")
