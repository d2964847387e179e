"""The effects that a program can have on the data, and the surroundings that it would run in."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Effect(IntEnum):
    """How severe an effect is; the most severe of several counts."""

    READS = 0
    UNCERTAIN = 1
    """It changes data, or what it does cannot be known: a fresh proven backup insures it."""
    DESTROYS = 2
    """It is known to lose data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The worst possible effect, with the reason."""

    effect: Effect
    why: str


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


def names(text: str) -> frozenset[str]:
    """The names of a list separated by spaces."""
    return frozenset(text.split())


def reads(why: str) -> Finding:
    return Finding(Effect.READS, why)


def uncertain(why: str) -> Finding:
    return Finding(Effect.UNCERTAIN, why)


def destroys(why: str) -> Finding:
    return Finding(Effect.DESTROYS, why)


def worst(findings: Iterable[Finding], otherwise: str) -> Finding:
    """The worst finding; without any, one that reads, for `otherwise`."""
    return max(findings, key=lambda found: found.effect, default=reads(otherwise))


def interactive(what: str, around: Surroundings) -> Finding:
    """The finding for a program that reads commands from its standard input."""
    if around.input or around.terminal:
        return uncertain(f"opens {what}, whose input cannot be checked")
    return reads(f"starts {what} with nothing to read")
