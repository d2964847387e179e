"""How a compose file can lose data without removing any: an empty database replaces the old one.

All of these were tested: a volume with another name, or another place in the container; a volume whose
definition was changed by as little as a label, which `up -y`, or a yes when asked, removes and creates again;
two copies of the database's service, which run two servers on one data folder.
"""

from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys, uncertain
from ledgerflow_ops.guard.model import PROJECT, Container, Declared, Project, Service, Volume
from ledgerflow_ops.guard.rules import removals

_NAME_BACK = Hint("Give the volume its old name back in the compose file, or name: it there.")
_FILES = "com.docker.compose.project.config_files"
_OWN_LABELS = "com.docker.compose."
_FETCHING = frozenset({"always", "newer", "daily", "weekly"})


def renamed(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """A project with a name other than that of the containers created from the same file."""
    for container in scene.engine.containers:
        files = container.labels.get(_FILES, "").split(",")
        if (
            container.project != project.name
            and set(files) & set(project.files)
            and scene.data(container.process)
        ):
            yield destroys(
                f"it starts the project {project.name} beside {container.project}, which the same file was "
                "used for and which holds the data: the new one would be empty",
                environment=scene.environment_of(container.labels),
                safe=Hint(
                    "Keep the project's name, begin with: ",
                    command("docker", "compose", "-p", container.project),
                ),
            )


def redefined(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """Volumes that Compose would offer to remove and recreate, because their declaration differs."""
    protected = scene.protected
    for declared in project.volumes:
        volume = scene.engine.volume(declared.name)
        if volume and not declared.external and declared.name in protected and _differs(declared, volume):
            yield destroys(
                f"it removes the volume {declared.name} and creates it again, empty: the compose file's "
                "declaration differs from the volume, and a single yes is enough",
                environment=scene.environment_of_volume(declared.name) or scene.environment(),
                volumes=(declared.name,),
                safe=Hint(
                    "Undo the change under volumes: in the compose file, or declare it external: true."
                ),
            )


def _differs(declared: Declared, volume: Volume) -> bool:
    made = {name: value for name, value in volume.labels.items() if not name.startswith(_OWN_LABELS)}
    ours = {name: value for name, value in made.items() if not name.startswith("com.ledgerflow.")}
    wanted = {name: value for name, value in declared.labels.items() if not name.startswith(_OWN_LABELS)}
    return (
        (wanted not in (made, ours))
        or (declared.driver or "local") != volume.driver
        or dict(declared.options) != dict(volume.options)
    )


def renewed(project: Project, scene: Scene) -> Iterator[DataEffect]:
    protected = scene.protected
    for container in scene.engine.of(project.name):
        for mount in container.process.mounts:
            volume = scene.engine.volume(mount.source) if mount.kind == "volume" else None
            if volume and volume.anonymous and volume.name in protected:
                yield destroys(
                    f"it gives {container.name} an empty volume for its data ({protected[volume.name]})",
                    environment=scene.environment(),
                    volumes=(volume.name,),
                    safe=Hint("Leave out -V: the volume is then kept."),
                )


def copies(call: Call, service: Service, scene: Scene) -> Iterator[DataEffect]:
    count = service.copies
    wanted = [*call.all("scale"), *(call.operands if call.verb == "compose scale" else ())]
    for text in wanted:
        name, _, number = text.partition("=")
        if name == service.name:
            count = int(number) if number.isdigit() else 2
    if count < 1:
        yield from removals.orphaned(scene.engine.of(scene.project_name, [service.name]), scene)
    if count > 1 and scene.data(service.process):
        yield destroys(
            f"it runs {count} copies of {service.name} on one data folder, which two servers destroy",
            environment=scene.environment(),
            volumes=tuple(mount.source for mount in scene.data(service.process)),
            safe=Hint("A data folder can have only one server: leave it at one."),
        )


def shadowed(service: Service, mine: list[Container], project: Project, scene: Scene) -> Iterator[DataEffect]:
    """A database that would start empty because its data are in another volume."""
    process = service.process
    for name, place in _homes(service, mine, project, scene):
        now = next((mount for mount in process.mounts if mount.target == place), None)
        if now is None or now.source != name or now.kind == "tmpfs":
            instead = f"{now.source or now.kind}" if now else "nothing"
            yield destroys(
                f"it starts {service.name} with {instead} at {place} instead of {name}, which holds the "
                "data: the database would be empty",
                environment=scene.environment_of_volume(name) or scene.environment(),
                volumes=(name,),
                safe=_NAME_BACK,
            )
    moved = {container.process.pgdata for container in mine if container.process.pgdata} - {process.pgdata}
    if moved and process.pgdata and scene.data(process):
        yield destroys(
            f"it starts {service.name} with PGDATA={process.pgdata} instead of {moved.pop()}, which holds "
            "the data: the database would be empty",
            environment=scene.environment(),
            safe=Hint("Set PGDATA to its old value."),
        )


def _homes(
    service: Service, mine: list[Container], project: Project, scene: Scene
) -> Iterator[tuple[str, str]]:
    """The service's data volumes, with their targets: by its containers, or by the project's old volumes."""
    if mine:
        for container in mine:
            for mount in scene.data(container.process):
                if mount.is_data(container.process.pgdata):
                    yield mount.source, mount.target
        return
    used = {mount.source for other in project.services for mount in other.process.mounts}
    mounts_of_data = [mount for mount in service.process.mounts if mount.is_data(service.process.pgdata)]
    new = [
        mount for mount in mounts_of_data if mount.kind != "bind" and not scene.engine.volume(mount.source)
    ]
    environment, protected = scene.environment(), scene.protected
    for volume in scene.engine.volumes if new else ():
        left = volume.labels.get(PROJECT) == project.name  # whatever is in it: nobody can tell any more
        theirs = environment and scene.environment_of_volume(volume.name) == environment
        if volume.name not in used and (left or (theirs and volume.name in protected)):
            yield volume.name, new[0].target


def another_image(call: Call, service: Service, mine: list[Container], scene: Scene) -> Iterator[DataEffect]:
    """Another image on the same data: another major version may be unable to read them, or change them."""
    for one in mine:
        runs = _runs(call, service, one.process.image, one.process.image_id)
        if runs and scene.data(one.process):
            yield uncertain(
                f"it {runs}{service.process.image} on the data of {one.process.image} ({service.name})",
                environment=scene.environment_of(one.labels),
                volumes=tuple(mount.source for mount in scene.data(one.process)),
                safe=Hint(
                    "Another major version cannot read the data: ",
                    make("backup"),
                    "; start it empty; ",
                    make("restore"),
                ),
            )


def _runs(call: Call, service: Service, image: str, image_id: str) -> str:
    """How the image of a service differs from the one that its container runs; empty if it does not."""
    after = service.process
    if image != after.image:
        return "runs "
    if after.image_id and image_id != after.image_id:
        return "runs another "
    return "may run another " if _anew(call, service) else ""


def _anew(call: Call, service: Service) -> bool:
    """Whether the image is pulled or built first, so that it is not known yet."""
    pull = call.last("pull") or service.pull
    builds = call.on("build") or pull == "build" or call.verb == "compose watch"
    return pull in _FETCHING or pull.startswith("every_") or (service.built and builds)
