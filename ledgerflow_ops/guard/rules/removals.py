"""What goes when volumes and containers are removed: by name, by a sweep, with a project.

Docker's rules, tried on engines: `volume rm` removes what it is told; `volume prune` what no container,
running or not, mounts (before API 1.42 named volumes as well, from there on only with --all); `system prune
--volumes` removes stopped containers first, and then what they held; `rm -v` and the end of a `--rm`
container take their anonymous volumes with them; `compose down -v` takes the volumes that the project made
or declares. A container without its anonymous volume's name is a volume that nobody finds again.
"""

from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Touch, destroys
from ledgerflow_ops.guard.model import PROJECT, Container, Volume

_RESTORE = Hint(
    "To begin again with an older state: ",
    make("restore-force", FILE="latest-proven"),
    " keeps the old database.",
)
_KEEPS = Hint("Leave out -v: ", command("docker", "compose", "down"), " keeps volumes.")
_NAME_IT = Hint("Name what is to go: docker volume rm NAME. Or start the database first.")
_ALL_FROM = (1, 42)


def volumes_by_name(call: Call, scene: Scene) -> Iterator[Touch]:
    """`volume rm`."""
    protected = scene.protected
    for name in call.operands:
        if name in protected:
            yield _removed(scene, name, protected[name])


def volume_sweep(call: Call, scene: Scene) -> Iterator[Touch]:
    """`volume prune`."""
    everything = scene.engine.api < _ALL_FROM or call.on("all") or "all=1" in call.all("filter")
    held = {mount.source for one in scene.engine.containers for mount in one.process.mounts}
    yield from _swept(
        call, scene, held, anonymous_only=not everything and "all=true" not in call.all("filter")
    )


def system_sweep(call: Call, scene: Scene) -> Iterator[Touch]:
    """`system prune`: with --volumes also what only stopped containers hold."""
    stopped = [one for one in scene.engine.containers if not one.running]
    yield from orphaned(stopped, scene)
    if call.on("volumes"):
        running = (one for one in scene.engine.containers if one.running)
        yield from _swept(call, scene, {mount.source for one in running for mount in one.process.mounts})


def container_sweep(_call: Call, scene: Scene) -> Iterator[Touch]:
    """`container prune`."""
    yield from orphaned((one for one in scene.engine.containers if not one.running), scene)


def containers(call: Call, scene: Scene) -> Iterator[Touch]:
    """`rm`: with -v and without it, an anonymous volume is lost."""
    found = (scene.engine.container(name) for name in call.operands)
    yield from orphaned(filter(None, found), scene)


def stopped(call: Call, scene: Scene) -> Iterator[Touch]:
    """`stop` and `kill`: a container that was started with --rm goes, with its anonymous volumes."""
    found = filter(None, (scene.engine.container(name) for name in call.operands))
    yield from orphaned((one for one in found if one.removes_itself), scene)


def stopped_services(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose stop` and `compose kill`."""
    found = scene.engine.of(scene.project_name, call.operands)
    yield from orphaned((one for one in found if one.removes_itself), scene)


def service_containers(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose rm`."""
    yield from orphaned(scene.engine.of(scene.project_name, call.operands), scene)


def down(call: Call, scene: Scene) -> Iterator[Touch]:
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
    """The volumes that `down -v` removes: those the project made, those its file declares as its own."""
    made = {one.name for one in scene.engine.volumes if one.labels.get(PROJECT) == scene.project_name}
    declared = {one.name for one in scene.project.volumes if not one.external} if scene.project else set()
    return made | declared


def _swept(call: Call, scene: Scene, kept: set[str], *, anonymous_only: bool = False) -> Iterator[Touch]:
    for name, reason in scene.protected.items():
        volume = scene.engine.volume(name)
        reached = volume and (volume.anonymous or not anonymous_only) and _matches(call, volume)
        if reached and name not in kept:
            yield _removed(scene, name, reason, _NAME_IT)


def _matches(call: Call, volume: Volume) -> bool:
    """Whether the filters let the sweep have this volume; one that is not understood does."""
    for text in call.all("filter"):
        name, _, wanted = text.partition("=")
        key, equals, value = wanted.partition("=")
        has = volume.labels.get(key) == value if equals else key in volume.labels
        if (name == "label" and not has) or (name == "label!" and has):
            return False
    return True


def orphaned(gone: Iterable[Container], scene: Scene) -> Iterator[Touch]:
    """The anonymous volumes that go with these containers, or lose the only thing that leads to them."""
    protected = scene.protected
    for one in gone:
        for mount in one.process.mounts:
            volume = scene.engine.volume(mount.source) if mount.kind == "volume" else None
            if volume and volume.anonymous and volume.name in protected:
                yield destroys(
                    f"it takes {one.name} away from its nameless volume {volume.name[:12]}…, which nothing "
                    f"else leads to ({protected[volume.name]})",
                    environment=scene.environment_of(one.labels),
                    volumes=(volume.name,),
                    safe=Hint(
                        "Give the data a volume with a name first; ",
                        make("backup"),
                        "; then restore into it.",
                    ),
                )


def _removed(scene: Scene, name: str, reason: str, safe: Hint = _RESTORE) -> Touch:
    return destroys(
        f"it removes the volume {name} ({reason})",
        environment=scene.environment_of_volume(name),
        volumes=(name,),
        safe=safe,
    )
