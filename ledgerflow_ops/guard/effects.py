"""The effects of a command line on protected data, before it is decided whether it may run."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from ledgerflow_ops.core.hints import Hint, command

if TYPE_CHECKING:
    from ledgerflow_ops.guard.context import Scene
    from ledgerflow_ops.guard.model import Mount

ASK_FIRST = Hint(command("ledger_docker", "--explain"), " before a command shows what it would do.")
_IN_STEPS = Hint(
    "Write it as docker's own help shows it, or run it in steps. It could affect protected data."
)


class Effect(IntEnum):
    """How severe an effect is; the most severe of several counts."""

    READS = 0
    UNCERTAIN = 1
    """It changes data, or what it does cannot be known: a fresh proven backup insures it."""
    DESTROYS = 2
    """It is known to lose data."""


@dataclass(frozen=True, slots=True)
class DataEffect:
    """One effect, of a call or of a program in a container, in words; `safe` is a safe alternative.

    `volumes` are the affected volumes, if they are known; `environment` is theirs, empty if it is unknown.
    """

    effect: Effect
    what: str
    environment: str = ""
    volumes: tuple[str, ...] = ()
    safe: Hint = ASK_FIRST


@dataclass(frozen=True, slots=True)
class Judgement:
    """The effects of a call on what it reaches; none where it reaches nothing that is protected.

    `targets` are what indicates the environment of the call's target. `unknown`: why the effects could not be
    determined; `way_out`: the hint for that.
    """

    impacts: tuple[DataEffect, ...] = ()
    targets: tuple[DataEffect, ...] = ()
    unknown: str = ""
    way_out: Hint = _IN_STEPS

    @property
    def effect(self) -> Effect:
        return max((impact.effect for impact in self.impacts), default=Effect.READS)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a program would run.

    `data` are the protected folders in its container, absolute; none in one that only reaches the database
    over the network. `terminal`: a person types; `input`: something else is attached to its standard input.
    """

    data: tuple[str, ...]
    terminal: bool = False
    input: bool = False
    workdir: str = "/"

    def opening(self, what: str) -> DataEffect:
        """The effect of a program that reads commands from its standard input."""
        if self.input or self.terminal:
            return uncertain(f"opens {what}, whose input cannot be checked")
        return reads(f"starts {what} with nothing to read")


def names(text: str) -> frozenset[str]:
    """The names of a list separated by spaces."""
    return frozenset(text.split())


reads = partial(DataEffect, Effect.READS)
uncertain = partial(DataEffect, Effect.UNCERTAIN)
destroys = partial(DataEffect, Effect.DESTROYS)


def on_volume(
    what: str, mount: "Mount", scene: "Scene", safe: Hint, environment: str = "", *, known: bool = True
) -> DataEffect:
    """An effect on what is mounted, a known loss or not, in its volume's environment unless given."""
    volumes = (mount.source,) if mount.kind == "volume" else ()
    whose = environment or (scene.environment_of_volume(mount.source) if volumes else "")
    return (destroys if known else uncertain)(what, whose, volumes, safe)


def worst(effects: Iterable[DataEffect], otherwise: str) -> DataEffect:
    """The worst effect; without any, one that reads, for `otherwise`."""
    return max(effects, key=lambda found: found.effect, default=reads(otherwise))
