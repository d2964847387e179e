"""Checks that the wrapper is installed where it takes effect, and records the volumes to protect."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ledgerflow_ops.adapters.services import docker
from ledgerflow_ops.adapters.storage import folder as folders
from ledgerflow_ops.core.catalog.catalog import newest_reliable
from ledgerflow_ops.core.checks import Check, failed, passed
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.protection import protected_objects
from ledgerflow_ops.guard.resolve import EngineClient, resolve
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_DAY = timedelta(days=1)


def safety_check(ctx: OperationContext, envs: Sequence[EnvironmentContext]) -> list[Check]:
    """Checks: first on the PATH, engine reachable, volumes protected, backups fresh, journal writable."""
    return [*_on_path("docker"), *_on_path("docker-compose"), _journal(ctx), *_engine(), *map(_backup, envs)]


def _on_path(program: str) -> Iterator[Check]:
    """Whether `program` on the PATH is the wrapper, and the real one comes after it."""
    first = shutil.which(program)
    try:
        behind = real.real(program)
    except LedgerError as error:
        if program == "docker":
            yield failed(program, "missing", error.message, error.hint)
        return
    ours, home = Path(sys.executable).parent / "ledger_docker", Path.home() / "bin" / program
    if first and docker.is_wrapper(Path(first)):
        yield passed(program, f"{first} is ledger_docker; the real one is {behind}")
    else:
        hint = Hint("Link it into a folder that comes first on the PATH: ", command("ln", "-s", ours, home))
        yield failed(program, "path", f"{program} is {first}, not ledger_docker: nothing is judged.", hint)


def _journal(ctx: OperationContext) -> Check:
    place, hint = ctx.settings.state_dir, Hint("Fix its owner and mode.")
    if folders.is_writable(place):
        return passed("journal", f"in {place}")
    return failed("journal", "read-only", f"Nothing can be written into {place}.", hint)


def _engine() -> Iterator[Check]:
    """Whether the engine answers, and what it keeps that is protected."""
    try:
        scene = _scene()
    except LedgerError as error:
        yield failed("engine", "engine", error.message, error.hint)
        return
    volumes, containers = len(scene.engine.volumes), len(scene.engine.containers)
    counts = f"{count_of(volumes, 'volume')}, {count_of(containers, 'container')}"
    yield passed("engine", f"answers: {counts} in {scene.engine.root}")
    for name, reason in sorted(scene.protected.items()):
        whose = scene.environment_of_volume(name) or "no environment's"
        yield passed("volume", f"{name} ({whose}) is protected: {reason}")


def _backup(env: EnvironmentContext) -> Check:
    name, hint = f"{env.environment} backup", Hint(make("backup", env.environment))
    now = env.ctx.clock()
    newest = newest_reliable(catalog.entries(env), now, sample=env.is_sample)
    if newest is None or newest.recovery_point is None:
        return failed(name, "none", f"{env.environment} has no proven backup.", hint)
    age = now - newest.recovery_point
    text = f"{newest.name.dump} is proven valid and {int(age.total_seconds() // 60)} min old"
    return passed(name, f"{text}.") if age <= _DAY else failed(name, "old", f"{text}: more than a day.", hint)


@dataclass(frozen=True, slots=True)
class ProtectedVolume:
    """A protected volume of an environment, and the reason; `recorded` before this call."""

    volume: str
    reason: str
    recorded: bool


def protect(env: EnvironmentContext, *, dry_run: bool) -> list[ProtectedVolume]:
    """Record the environment's volumes as protected, and return them; with `dry_run` nothing is recorded.

    A recorded volume stays protected for as long as it exists, whatever becomes of its containers.
    """
    scene, state_dir = _scene(), env.ctx.settings.state_dir
    known = audit_log.known_postgres_volumes(state_dir, scene.engine.id)
    protected = [
        ProtectedVolume(name, reason, known.get(name) == env.environment)
        for name, reason in sorted(scene.protected.items())
        if scene.environment_of_volume(name) == env.environment
    ]
    new = {item.volume: str(env.environment) for item in protected if not item.recorded}
    if new and not dry_run:
        audit_log.store_postgres_volumes(state_dir, scene.engine.id, {**known, **new})
        env.ctx.journal("protect", {"environment": env.environment, "volumes": sorted(new)})
    return protected


def _scene() -> Scene:
    """The state of the engine that docker uses."""
    asked = EngineClient(real.real("docker"), Call("docker", ("info",), verb="info"))
    scene = resolve(asked, protected_objects.configured_protection)
    if scene.silent:
        raise CannotJudge(
            scene.silent, hint=Hint("Start the engine; ", command("docker", "info"), " shows details.")
        )
    return scene
