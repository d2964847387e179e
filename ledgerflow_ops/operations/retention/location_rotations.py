"""Rotates the archive locations that have a retention of their own: after the environment's folder, each in
bounded time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.archive import location_rotation
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.archive.location_access import bounded, is_read_only, require_reachable
from ledgerflow_ops.operations.archive.location_retention import retaining_locations
from ledgerflow_ops.operations.archive.location_rotation import LocationRotation
from ledgerflow_ops.operations.context import EnvironmentContext

_Work = Callable[[EnvironmentContext, EnvironmentContext, Heartbeat], "LocationOutcome"]


@dataclass(frozen=True, slots=True)
class LocationOutcome:
    """One location's rotation: `planned`, and the dumps that were removed. None where there is no plan.

    `left` is why nothing was removed there, in words: a question, a read-only location, or `trouble`.
    """

    location: str
    planned: LocationRotation | None = None
    removed: tuple[str, ...] = ()
    left: str = ""
    trouble: LedgerError | None = None

    @property
    def asks(self) -> str:
        """Why its plan has to be confirmed by a person; empty where it need not."""
        return self.planned.plan.asks if self.planned else ""

    def as_json(self) -> dict[str, Any]:
        trouble = self.trouble
        error = {"message": trouble.message, "hint": str(trouble.hint)} if trouble else None
        head = {"location": self.location, "left": self.left, "error": error}
        plan = self.planned.as_json() if self.planned else {}
        return {**head, **plan, "removed": list(self.removed)}

    def as_journal(self) -> dict[str, Any]:
        """The same without the backups that are kept."""
        return {name: value for name, value in self.as_json().items() if name != "backups"}


def plan_locations(env: EnvironmentContext) -> tuple[LocationOutcome, ...]:
    """What a rotation would remove in each location, or why that cannot be said. Nothing is touched."""
    return tuple(_outcome(env, at, _planned) for at in retaining_locations(env))


def rotate_locations(env: EnvironmentContext, confirmed: str) -> tuple[LocationOutcome, ...]:
    """Remove what expires in each location. Never an error: what failed, or has to be confirmed, is left.

    `confirmed` is the environment's name where a person has confirmed the plans that ask.
    """

    def rotated(env: EnvironmentContext, at: EnvironmentContext, heartbeat: Heartbeat) -> LocationOutcome:
        return _rotated(env, at, confirmed, heartbeat)

    outcomes = tuple(_outcome(env, at, rotated) for at in retaining_locations(env))
    for outcome in outcomes:
        for file in outcome.removed:
            env.ctx.reporter.say(f"{file}: removed from {outcome.location} by its retention")
        if outcome.left:
            env.ctx.reporter.say(f"{outcome.location}: {outcome.left}")
    return outcomes


def require_confirmed(env: EnvironmentContext, outcomes: Iterable[LocationOutcome], confirmed: str) -> None:
    """Refused (3) where a location's rotation needs a confirmation that `confirmed` does not give."""
    asking = [outcome for outcome in outcomes if outcome.asks]
    if not asking or confirmed == env.environment:
        return
    places = "; ".join(f"{outcome.location}: {outcome.asks}" for outcome in asking)
    raise Refused(
        f"This rotation of {env.environment} has to be confirmed for {places}. Nothing was removed there.",
        hint=confirmation_hint(env),
    )


def confirmation_hint(env: EnvironmentContext) -> Hint:
    """How to look at a rotation that asks, and confirm it."""
    return Hint(
        make("rotate", DRY_RUN=1),
        " lists what expires. If it is right: ",
        make("rotate", CONFIRM=env.environment),
        " (in the web page: confirm in the run's settings).",
    )


def _outcome(env: EnvironmentContext, at: EnvironmentContext, work: _Work) -> LocationOutcome:
    try:
        return bounded(env, at, lambda heartbeat: work(env, at, heartbeat))
    except LedgerError as error:
        return LocationOutcome(place_name(at), left=error.message, trouble=error)


def _planned(env: EnvironmentContext, at: EnvironmentContext, _heartbeat: Heartbeat) -> LocationOutcome:
    require_reachable(at)
    if is_read_only(at):
        return LocationOutcome(place_name(at), left="it is read-only: others remove its copies")
    return LocationOutcome(place_name(at), location_rotation.plan_rotation(env, at))


def _rotated(
    env: EnvironmentContext, at: EnvironmentContext, confirmed: str, heartbeat: Heartbeat
) -> LocationOutcome:
    require_reachable(at)
    if is_read_only(at):
        return _planned(env, at, heartbeat)
    state_dir, now = env.ctx.settings.state_dir, env.ctx.clock()
    with locks.location_lock(state_dir, env.environment, place_name(at), "rotate", now):
        planned, removed = location_rotation.rotate(env, at, confirmed, heartbeat)
    left = f"its rotation has to be confirmed: {planned.plan.asks}" if planned.asks(confirmed) else ""
    return LocationOutcome(place_name(at), planned, tuple(removed), left)
