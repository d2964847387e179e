"""What a command line would do to protected data, before anybody says whether it may."""

from collections.abc import Iterable
from dataclasses import dataclass

from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.guard.inside.effects import Effect

ASK_FIRST = Hint("ledger_docker --explain … shows what a command would do without running it.")

_IN_STEPS = Hint(
    "Write it out as docker's own help has it, or do it in steps. Protected data is within reach."
)


@dataclass(frozen=True, slots=True)
class Touch:
    """One thing that would happen to protected data.

    `volumes` are the ones at stake, where it is known which; `environment` says whose they are, empty when
    that is not known; `safe` is the safe way to do it.
    """

    effect: Effect
    what: str
    environment: str = ""
    volumes: tuple[str, ...] = ()
    safe: Hint = ASK_FIRST


@dataclass(frozen=True, slots=True)
class Target:
    """A sign of whose the command's target is: `environment`, and what says so."""

    environment: str
    sign: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a call would do. `unknown`: what could not be told of it, `way_out`: what to do about that."""

    touches: tuple[Touch, ...] = ()
    targets: tuple[Target, ...] = ()
    unknown: str = ""
    way_out: Hint = _IN_STEPS

    @property
    def effect(self) -> Effect:
        return max((touch.effect for touch in self.touches), default=Effect.READS)


def destroys(
    what: str, *, environment: str = "", volumes: tuple[str, ...] = (), safe: Hint = ASK_FIRST
) -> Touch:
    return Touch(Effect.DESTROYS, what, environment, volumes, safe)


def changes(
    what: str, *, environment: str = "", volumes: tuple[str, ...] = (), safe: Hint = ASK_FIRST
) -> Touch:
    return Touch(Effect.CHANGES, what, environment, volumes, safe)


def distinct(touches: Iterable[Touch]) -> tuple[Touch, ...]:
    """Each touch once, the worst first."""
    return tuple(sorted(dict.fromkeys(touches), key=lambda touch: -touch.effect))
