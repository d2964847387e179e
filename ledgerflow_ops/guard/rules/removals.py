"""Which data are lost when volumes and containers are removed: by name, by a prune, with a project.

Docker's rules, tested on engines: `volume rm` removes the named volumes; `volume prune` those that no
container, running or not, mounts (before API 1.42 including named volumes, since then only with --all);
`system prune --volumes` removes stopped containers first, and then the volumes that they mounted; `rm -v` and
the end of a `--rm` container remove their anonymous volumes; `compose down -v` removes the volumes that the
project created or declares. An anonymous volume without its container cannot be found again.
"""

from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys, uncertain
from ledgerflow_ops.guard.model import PROJECT, Container, Volume

_RESTORE = Hint(
    "To return to an older state: ",
    make("restore-force", FILE="latest-proven"),
    " keeps the old database.",
)
_KEEPS = Hint("Leave out -v: ", command("docker", "compose", "down"), " keeps volumes.")
_NAME_IT = Hint(
    "Remove volumes by their names, which ",
    command("docker", "volume", "ls"),
    " lists. Or start the database first.",
)
_ALL_FROM = (1, 42)


def volumes_by_name(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume rm`."""
    protected = scene.protected
    for name in call.operands:
        if name in protected:
            yield _removed(scene, name, protected[name])


def volume_sweep(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume prune`. It keeps what a container mounts; a backup insures such data that its filter names."""
    everything = scene.engine.api < _ALL_FROM or call.on("all") or "all=1" in call.all("filter")
    held = {mount.source for container in scene.engine.containers for mount in container.process.mounts}
    yield from _swept(
        call, scene, held, anonymous_only=not everything and "all=true" not in call.all("filter")
    )
    named = any(text.startswith("label=") for text in call.all("filter"))
    for name in sorted(held & scene.protected.keys()) if everything and named else ():
        volume = scene.engine.volume(name)
        if volume and _matches(call, volume) and not volume.anonymous:
            what = f"its filter names the volume {name}, which only its container keeps"
            yield uncertain(what, environment=scene.environment_of_volume(name), volumes=(name,))


def system_sweep(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`system prune`; with --volumes also the volumes that only stopped containers mount."""
    stopped = [container for container in scene.engine.containers if not container.running]
    yield from orphaned(stopped, scene)
    if call.on("volumes"):
        running = (container for container in scene.engine.containers if container.running)
        yield from _swept(
            call, scene, {mount.source for container in running for mount in container.process.mounts}
        )


def container_sweep(_call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`container prune`."""
    yield from orphaned((container for container in scene.engine.containers if not container.running), scene)


def containers(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`rm`: an anonymous volume is lost with -v and without it."""
    named = (scene.engine.container(name) for name in call.operands)
    yield from orphaned(filter(None, named), scene)


def stopped(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`stop` and `kill`: a container that was started with --rm is removed, with its anonymous volumes."""
    named = filter(None, (scene.engine.container(name) for name in call.operands))
    yield from orphaned((container for container in named if container.removes_itself), scene)


def stopped_services(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose stop` and `compose kill`."""
    running = scene.engine.of(scene.project_name, call.operands)
    yield from orphaned((container for container in running if container.removes_itself), scene)


def service_containers(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose rm`."""
    yield from orphaned(scene.engine.of(scene.project_name, call.operands), scene)


def down(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose down`, with -v and without; `compose wait --down-project`."""
    if call.verb == "compose wait" and not call.on("down-project"):
        return
    protected = scene.protected
    if call.on("volumes"):
        for name in sorted(_of_project(scene)):
            if name in protected:
                yield _removed(
                    scene,
                    name,
                    protected[name],
                    _KEEPS,
                )
    yield from orphaned(scene.engine.of(scene.project_name), scene)


def _of_project(scene: Scene) -> set[str]:
    """The volumes that `down -v` removes: those that the project created or its file declares as its own."""
    made = {
        volume.name for volume in scene.engine.volumes if volume.labels.get(PROJECT) == scene.project_name
    }
    declared = (
        {volume.name for volume in scene.project.volumes if not volume.external} if scene.project else set()
    )
    return made | declared


def _swept(call: Call, scene: Scene, kept: set[str], *, anonymous_only: bool = False) -> Iterator[DataEffect]:
    for name, reason in scene.protected.items():
        volume = scene.engine.volume(name)
        reached = volume and (volume.anonymous or not anonymous_only) and _matches(call, volume)
        if reached and name not in kept:
            yield _removed(scene, name, reason, _NAME_IT)


def _matches(call: Call, volume: Volume) -> bool:
    """Whether a prune with these filters removes the volume; yes for a filter that is not understood."""
    for text in call.all("filter"):
        name, _, wanted = text.partition("=")
        key, equals, value = wanted.partition("=")
        has = volume.labels.get(key) == value if equals else key in volume.labels
        if (name == "label" and not has) or (name == "label!" and has):
            return False
    return True


def orphaned(removed: Iterable[Container], scene: Scene) -> Iterator[DataEffect]:
    """The anonymous volumes that are removed with these containers, or cannot be found without them."""
    protected = scene.protected
    for container in removed:
        for mount in container.process.mounts:
            volume = scene.engine.volume(mount.source) if mount.kind == "volume" else None
            if volume and volume.anonymous and volume.name in protected:
                yield destroys(
                    f"it removes {container.name}, without which its anonymous volume {volume.name[:12]}… "
                    f"cannot be found ({protected[volume.name]})",
                    environment=scene.environment_of(container.labels),
                    volumes=(volume.name,),
                    safe=Hint(
                        "Move the data into a volume with a name: ",
                        make("backup"),
                        "; then restore into it.",
                    ),
                )


def _removed(scene: Scene, name: str, reason: str, safe: Hint = _RESTORE) -> DataEffect:
    return destroys(
        f"it removes the volume {name} ({reason})",
        environment=scene.environment_of_volume(name),
        volumes=(name,),
        safe=safe,
    )
