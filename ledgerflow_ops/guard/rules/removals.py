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
_MOVE = Hint("Move the data into a volume with a name: ", make("backup"), "; then restore into it.")
_ALL_FROM = (1, 42)


def volume_sweep(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume prune`. It keeps what a container mounts; a backup insures such data that its filter names."""
    filters = call.all("filter")
    everything = scene.engine.api < _ALL_FROM or call.on("all") or {"all=1", "all=true"} & {*filters}
    matching = [it for it in scene.engine.volumes if _matches(call, it) and (everything or it.anonymous)]
    held = _mounted(scene.engine.containers)
    yield from _removed((it.name for it in matching if it.name not in held), scene, _NAME_IT)
    named = everything and any(text.startswith("label=") for text in filters)
    for volume in matching if named else ():
        if volume.name in held & scene.protected.keys() and not volume.anonymous:
            what = f"its filter names the volume {volume.name}, which only its container keeps"
            yield uncertain(what, scene.environment_of_volume(volume.name), (volume.name,))


def sweep(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`container prune` and `system prune`; with --volumes also what only stopped containers mount."""
    yield from orphaned((container for container in scene.engine.containers if not container.running), scene)
    if call.on("volumes"):
        kept = _mounted(container for container in scene.engine.containers if container.running)
        going = (it.name for it in scene.engine.volumes if it.name not in kept and _matches(call, it))
        yield from _removed(going, scene, _NAME_IT)


def removed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume rm`, and the removal of containers by `rm`, `stop` and `kill`, docker's and Compose's.

    An anonymous volume is lost with -v and without it. What was started with --rm ends with its removal.
    """
    if call.verb == "volume rm":
        yield from _removed(call.operands, scene, _RESTORE)
        return
    goes = call.verb in ("rm", "compose rm")
    yield from orphaned((it for it in named(call, scene, call.operands) if goes or it.removes_itself), scene)


def named(call: Call, scene: Scene, names: Iterable[str]) -> Iterable[Container]:
    """The containers with these names, or of these services of the project; all of it for no service."""
    if call.compose:
        return scene.engine.of(scene.project_name, names)
    return filter(None, map(scene.engine.container, names))


def down(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose down`, with -v and without; `compose wait --down-project`.

    With -v it removes the volumes that the project created or its file declares as its own.
    """
    if call.verb == "compose wait" and not call.on("down-project"):
        return
    if call.on("volumes"):
        name, declared = scene.project_name, scene.project.volumes if scene.project else ()
        made = {volume.name for volume in scene.engine.volumes if volume.labels.get(PROJECT) == name}
        own = {volume.name for volume in declared if not volume.external}
        yield from _removed(sorted(made | own), scene, _KEEPS)
    yield from orphaned(scene.engine.of(scene.project_name), scene)


def orphaned(removed: Iterable[Container], scene: Scene) -> Iterator[DataEffect]:
    """The anonymous volumes that are removed with these containers, or cannot be found without them."""
    for container in removed:
        for mount in container.process.mounts:
            volume = scene.engine.volume(mount.source) if mount.kind == "volume" else None
            if volume and volume.anonymous and volume.name in scene.protected:
                nameless = f"its anonymous volume {volume.name[:12]}… cannot be found"
                why = scene.protected[volume.name]
                what = f"it removes {container.name}, without which {nameless} ({why})"
                yield destroys(what, scene.environment_of(container.labels), (volume.name,), _MOVE)


def _mounted(containers: Iterable[Container]) -> set[str]:
    return {mount.source for container in containers for mount in container.process.mounts}


def _matches(call: Call, volume: Volume) -> bool:
    """Whether a prune with these filters removes the volume; yes for a filter that is not understood."""
    for text in call.all("filter"):
        name, _, wanted = text.partition("=")
        key, equals, value = wanted.partition("=")
        has = volume.labels.get(key) == value if equals else key in volume.labels
        if (name == "label" and not has) or (name == "label!" and has):
            return False
    return True


def _removed(names: Iterable[str], scene: Scene, safe: Hint) -> Iterator[DataEffect]:
    for name in filter(scene.protected.__contains__, names):
        what = f"it removes the volume {name} ({scene.protected[name]})"
        yield destroys(what, scene.environment_of_volume(name), (name,), safe)
