"""The effects of a command line on protected data, before it is decided whether it may run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.guard.inside.effects import Effect

if TYPE_CHECKING:
    from ledgerflow_ops.guard.context import Scene
    from ledgerflow_ops.guard.model import Mount

ASK_FIRST = Hint(command("ledger_docker", "--explain"), " before a command shows what it would do.")
_IN_STEPS = Hint(
    "Write it as docker's own help shows it, or run it in steps. It could affect protected data."
)


@dataclass(frozen=True, slots=True)
class DataEffect:
    """One effect on protected data.

    `what` describes it. `volumes` are the affected volumes, if they are known; `environment` is theirs, empty
    if it is unknown; `safe` is a safe alternative.
    """

    effect: Effect
    what: str
    environment: str = ""
    volumes: tuple[str, ...] = ()
    safe: Hint = ASK_FIRST


@dataclass(frozen=True, slots=True)
class Target:
    """An indication that the command's target belongs to `environment`; `sign` is what indicates it."""

    environment: str
    sign: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The effects of a call on what it reaches; none where it reaches nothing that is protected.

    `unknown`: why they could not be determined; `way_out`: the hint for that.
    """

    impacts: tuple[DataEffect, ...] = ()
    targets: tuple[Target, ...] = ()
    unknown: str = ""
    way_out: Hint = _IN_STEPS

    @property
    def effect(self) -> Effect:
        return max((impact.effect for impact in self.impacts), default=Effect.READS)


def destroys(
    what: str, environment: str, volumes: tuple[str, ...] = (), safe: Hint = ASK_FIRST
) -> DataEffect:
    return DataEffect(Effect.DESTROYS, what, environment, volumes, safe)


def uncertain(
    what: str, environment: str, volumes: tuple[str, ...] = (), safe: Hint = ASK_FIRST
) -> DataEffect:
    return DataEffect(Effect.UNCERTAIN, what, environment, volumes, safe)


def on_volume(
    what: str, mount: "Mount", scene: "Scene", safe: Hint, environment: str = "", *, known: bool = True
) -> DataEffect:
    """An effect on what is mounted, a known loss or not, in its volume's environment unless given."""
    volumes = (mount.source,) if mount.kind == "volume" else ()
    whose = environment or (scene.environment_of_volume(mount.source) if volumes else "")
    return (destroys if known else uncertain)(what, whose, volumes, safe)


def distinct(impacts: Iterable[DataEffect]) -> tuple[DataEffect, ...]:
    """Each effect once, the worst first."""
    return tuple(sorted(dict.fromkeys(impacts), key=lambda impact: -impact.effect))
