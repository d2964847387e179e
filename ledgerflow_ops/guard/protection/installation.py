"""Checks that the wrapper is installed where it takes effect, and labels the volumes to protect."""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from ledgerflow_ops.adapters.services import docker
from ledgerflow_ops.adapters.storage import folder as folders
from ledgerflow_ops.core.catalog.catalog import newest_reliable
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard import recoverability
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import PROTECT
from ledgerflow_ops.guard.permit import missing_backup
from ledgerflow_ops.guard.protection import protected_objects
from ledgerflow_ops.guard.protection.label_plan import Labelling, Stage, plan_labels
from ledgerflow_ops.guard.protection.volume_labels import VolumeMover, remove_leftover_containers
from ledgerflow_ops.guard.resolve import EngineClient, resolve
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_DAY = timedelta(days=1)


def safety_check(ctx: OperationContext, envs: Sequence[EnvironmentContext]) -> list[Check]:
    """Checks: first on the PATH, engine reachable, volumes labelled, backups fresh, journal writable."""
    checks = [*_on_path("docker"), *_on_path("docker-compose"), _journal(ctx)]
    try:
        scene = _scene()
    except LedgerError as error:
        checks.append(failed("engine", "engine", error.message, error.hint))
    else:
        volumes, containers = len(scene.engine.volumes), len(scene.engine.containers)
        counts = f"{count_of(volumes, 'volume')}, {count_of(containers, 'container')}"
        checks += [passed("engine", f"answers: {counts} in {scene.engine.root}"), *_labels(scene)]
    return [*checks, *(_backup(env) for env in envs)]


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
    place = ctx.settings.state_dir
    if folders.is_writable(place):
        return passed("journal", f"in {place}")
    return failed(
        "journal", "read-only", f"Nothing can be written into {place}.", Hint("Fix its owner and mode.")
    )


def _labels(scene: Scene) -> Iterator[Check]:
    for name, reason in sorted(scene.protected.items()):
        volume = scene.engine.volume(name)
        environment = scene.environment_of_volume(name)
        if volume and volume.labels.get(PROTECT) == "true":
            yield passed("volume", f"{name} is labelled")
        else:
            whose = "" if environment else " (or test, or prod)"
            hint = Hint(make("protect", environment or "dev"), whose)
            yield warned(
                "volume", "label", f"{name} has no label; {reason}, so it is protected as well.", hint
            )


def _backup(env: EnvironmentContext) -> Check:
    name, hint = f"{env.environment} backup", Hint(make("backup", env.environment))
    now = env.ctx.clock()
    newest = newest_reliable(catalog.entries(env), now, sample=env.is_sample)
    if newest is None or newest.recovery_point is None:
        return failed(name, "none", f"{env.environment} has no proven backup.", hint)
    age = now - newest.recovery_point
    text = f"{newest.name.dump} is proven valid and {int(age.total_seconds() // 60)} min old"
    return passed(name, f"{text}.") if age <= _DAY else failed(name, "old", f"{text}: more than a day.", hint)


def protect(env: EnvironmentContext, *, dry_run: bool, say: Callable[[str], None]) -> list[Labelling]:
    """Label the environment's volumes; returns what was done, or with `dry_run` would be done, for each.

    Refused before any change if a volume has no fresh proven backup.
    """
    program = real.real("docker")
    if not dry_run:
        remove_leftover_containers(program)
    scene = _scene()
    labellings = plan_labels(scene, env.environment)
    doable = [labelling for labelling in labellings if labelling.doable]
    if dry_run:
        return labellings
    for labelling in doable:
        if labelling.stage is Stage.NEW:
            _require_backup(env, labelling, scene, program)
    for labelling in doable:
        VolumeMover(program, scene, say).carry_out(labelling)
        env.ctx.journal("protect", {"environment": env.environment, "volume": labelling.volume})
    return labellings


def _require_backup(env: EnvironmentContext, labelling: Labelling, scene: Scene, program: Path) -> None:
    """Refused unless there is a fresh proven backup of this very database."""
    volume, settings = labelling.volume, env.ctx.settings
    lacking = missing_backup(
        env.environment,
        recoverability.backup_state(env, env.ctx.clock(), scene, [volume]),
        timedelta(minutes=settings.guard.fresh_minutes),
        {volume: recoverability.database_identifier(volume, scene, _client(program).api)},
        must_match=True,
    )
    if lacking:
        reason, hint, _ = lacking
        raise Refused(f"{volume} would be recreated, and {reason}.", hint=hint)


def _client(program: Path) -> EngineClient:
    return EngineClient(program, Call("docker", ("info",), verb="info"))


def _scene() -> Scene:
    """The state of the engine that docker uses."""
    asked = _client(real.real("docker"))
    scene = resolve(asked, protected_objects.configured_protection)
    if scene.silent:
        raise CannotJudge(
            scene.silent, hint=Hint("Start the engine; ", command("docker", "info"), " shows details.")
        )
    return scene
