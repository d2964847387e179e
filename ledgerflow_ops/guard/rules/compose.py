"""What Compose would start: each service is compared with the existing containers and volumes.

A compose file can lose data without removing any: an empty database replaces the old one. Tested: a volume
with another name, or another place in the container; a volume whose definition was changed by as little as a
label, which `up -y`, or a yes when asked, removes and creates again; two copies of the database's service.
"""

from collections.abc import Iterator
from dataclasses import replace

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, Effect, destroys, on_volume
from ledgerflow_ops.guard.host_paths import overlap
from ledgerflow_ops.guard.model import (
    CONFIG_FILES,
    PROJECT,
    Container,
    Hook,
    Mount,
    Process,
    Project,
    Service,
    Volume,
)
from ledgerflow_ops.guard.rules import containers, removals
from ledgerflow_ops.guard.rules.mounted_data import runs_server, serves_own_data, started

STOPPING = frozenset({"compose stop", "compose restart", "compose down", "compose rm", "compose wait"})
STARTING = frozenset({"compose start", "compose restart"})
_NAME_BACK = Hint("Give the volume its old name back in the compose file, or name: it there.")
_UNDO = Hint("Undo the change under volumes: in the compose file, or declare it external: true.")
_MAJOR = Hint(
    "Another major version cannot read the data: ", make("backup"), "; start it empty; ", make("restore")
)
_FETCHING = ("always", "newer", "daily", "weekly", "every_")


def up(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`up`, `create`, `watch` and `scale`."""
    project = scene.project
    if project is None:
        return
    yield from _renamed(project, scene)
    yield from _redefined(project, scene)
    for service in project.services:
        yield from _service_started(call, service, project, scene)
    if call.on("renew-anon-volumes"):
        yield from removals.orphaned(scene.engine.of(project.name), scene)
    if call.on("remove-orphans") or (scene.orphans_go and "remove-orphans" not in call.options):
        yield from _orphans(project, scene)


def one_off(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose run`: another program with a service's volumes."""
    project, name = scene.project, "".join(call.operands[:1])
    service = next((it for it in project.services if it.name == name), None) if project else None
    if project is None or service is None:
        return
    for other in project.services:
        if other is not service and not call.on("no-deps"):  # Compose lists it because it starts it
            yield from _service_started(call, other, project, scene)
    if call.on("remove-orphans"):
        yield from _orphans(project, scene)
    own, given = service.process, "entrypoint" in call.options
    entrypoint = mounts.words(call.last("entrypoint")) if given else own.entrypoint
    argv = call.operands[1:] or (() if given else own.command)
    asked = tuple(mounts.asked_for(call, scene))
    process = replace(
        own, entrypoint=entrypoint, command=argv, mounts=(*own.mounts, *asked),
        unbound=mounts.unbound(call) or own.unbound,
    )  # fmt: skip
    database = serves_own_data(own, scene) and runs_server(own)
    new = replace(process, mounts=asked if database else process.mounts)
    server = runs_server(process) and serves_own_data(process, scene)
    yield from started(f"a container of {name}", process, scene, server=server, asked=new)
    if not runs_server(process):
        yield from _inside((*entrypoint, *argv), replace(service, process=process), project, scene, call)


def hooks_of_call(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """The hooks that a command runs in existing containers, as the current file says.

    Tested with `stop`, `restart`, `down` and `rm --stop`, which run pre_stop, also in containers that were
    created long before. `kill` and `run` run none.
    """
    project = scene.project
    stops = call.verb in STOPPING and (call.verb != "compose rm" or call.on("stop"))
    for service in project.services if project else ():
        named = not call.operands or service.name in call.operands
        if project and named and scene.engine.of(project.name, [service.name]):
            starting = service.at_start if call.verb in STARTING else ()
            yield from _hooks(service, (*starting, *(service.at_stop if stops else ())), project, scene)


def _orphans(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """The containers of services that the file no longer contains."""
    kept = {service.name for service in project.services}
    gone = [container for container in scene.engine.of(project.name) if container.service not in kept]
    yield from removals.orphaned(gone, scene)


def _service_started(call: Call, service: Service, project: Project, scene: Scene) -> Iterator[DataEffect]:
    """One service that is brought up: its mounts, its data, its programs, what changes it from outside."""
    mine = [it for it in scene.engine.of(project.name, [service.name]) if not it.one_off]
    who, data = f"the service {service.name}", scene.data(service.process)
    yield from _given(who, service.process, mine, scene)
    yield from _copies(call, service, scene)
    yield from _shadowed(service, mine, project, scene)
    yield from _another_image(call, service, mine, scene)
    yield from _by_its_program(service, mine, project, scene)
    yield from _hooks(service, (*service.at_start, *service.at_stop), project, scene)
    if service.provided and (data or scene.environment()):
        yield destroys(
            f"{who}: a provider program implements it, which cannot be judged", scene.environment()
        )
    for target in service.watched:
        if any(overlap(target, mount.target) for mount in data):
            yield destroys(f"{who}: changed files are copied to {target}", scene.environment())


def _given(who: str, process: Process, mine: list[Container], scene: Scene) -> Iterator[DataEffect]:
    """The service's mounts. A PostgreSQL may mount its own data; mounts that exist already are allowed."""
    held = [mount for container in mine for mount in container.process.mounts]
    held += [replace(mount, writable=False) for mount in held]
    fresh = tuple(mount for mount in process.mounts if mount not in held)
    data, asked = scene.data(process), process
    same = _unchanged(process, mine) and not set(data) & set(fresh)
    server = (runs_server(process) or same) and serves_own_data(process, scene)
    if server or not data:
        known = any(container.process.unbound == process.unbound for container in mine)
        asked = replace(process, mounts=fresh, unbound="" if known else process.unbound)
    yield from started(who, process, scene, server=server, asked=asked, mine=mine, over=fresh)


def _by_its_program(
    service: Service, mine: list[Container], project: Project, scene: Scene
) -> Iterator[DataEffect]:
    """The effect of the service's own program and health check on the databases that it reaches.

    An environment's own services start every day. Of their programs only known losses, migrations, and
    programs other than the container's last one count.
    """
    process = service.process
    argv = (*process.entrypoint, *process.command)
    if _unchanged(process, mine) or runs_server(process):
        argv = ()
    ours = scene.environment_of_project(project.name)
    counts = not ours or bool(mine) or any("migrate" in word for word in argv)
    for words, what, all_of_it in (
        (argv, "at its start", counts),
        (service.health, "the health check of", False),
    ):
        for effect in _inside(words, service, project, scene) if words else ():
            if all_of_it or effect.effect is Effect.DESTROYS:
                yield replace(effect, what=f"{what} {service.name}: {effect.what}")


def _inside(
    words: tuple[str, ...], service: Service, project: Project, scene: Scene, call: Call | None = None
) -> Iterator[DataEffect]:
    """The effect of a program in a service on the databases that it reaches, running or started beside it."""
    process = service.process
    near = scene.reached(
        process.networks, {PROJECT: project.name}, (*process.entrypoint, *process.command, *words)
    )
    own = [mount for other in project.services for mount in scene.data(other.process)]
    yield from containers.program(words, service.name, near, scene.data(process), scene, call, own)


def _hooks(service: Service, hooks: tuple[Hook, ...], project: Project, scene: Scene) -> Iterator[DataEffect]:
    for hook in hooks:
        if hook.privileged and scene.protected:
            what = f"a hook of {service.name} is not confined to the container: it could reach every volume"
            yield destroys(what, scene.environment_of_project(project.name))
        for effect in _inside(hook.command, service, project, scene):
            yield replace(effect, what=f"a hook: {effect.what}")


def _unchanged(process: Process, mine: list[Container]) -> bool:
    """Whether a container of this service already runs the same image and program."""
    return any(
        container.process.image == process.image
        and process.entrypoint in ((), container.process.entrypoint)
        and process.command in ((), container.process.command)
        for container in mine
    )


def _renamed(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """A project with a name other than that of the containers created from the same file."""
    for container in scene.engine.containers:
        files = set(container.labels.get(CONFIG_FILES, "").split(",")) & set(project.files)
        if container.project != project.name and files and scene.data(container.process):
            beside = f"it starts the project {project.name} beside {container.project}, which the same file"
            what = f"{beside} was used for and which holds the data: the new one would be empty"
            keep = command("docker", "compose", "-p", container.project)
            safe = Hint("Keep the project's name, begin with: ", keep)
            yield destroys(what, scene.environment_of(container.labels), safe=safe)


def _redefined(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """Volumes that Compose would offer to remove and recreate, because their declaration differs."""
    for declared in project.volumes:
        volume, name = scene.engine.volume(declared.name), declared.name
        if volume and not declared.external and name in scene.protected and _differs(declared, volume):
            declares = "the compose file's declaration differs from the volume, and a single yes is enough"
            what = f"it removes the volume {name} and creates it again, empty: {declares}"
            yield destroys(what, scene.environment_of_volume(name) or scene.environment(), (name,), _UNDO)


def _differs(declared: Volume, volume: Volume) -> bool:
    wanted, made = (
        {name: value for name, value in labels.items() if not name.startswith("com.docker.compose.")}
        for labels in (declared.labels, volume.labels)
    )
    ours = {name: value for name, value in made.items() if not name.startswith("com.ledgerflow.")}
    options = (declared.driver, dict(declared.options)) != (volume.driver, dict(volume.options))
    return options or wanted not in (made, ours)


def _copies(call: Call, service: Service, scene: Scene) -> Iterator[DataEffect]:
    count = service.copies
    for text in (*call.all("scale"), *(call.operands if call.verb == "compose scale" else ())):
        name, _, number = text.partition("=")
        if name == service.name:
            count = int(number) if number.isdigit() else 2
    if count < 1:
        yield from removals.orphaned(scene.engine.of(scene.project_name, [service.name]), scene)
    for mount in scene.data(service.process) if count > 1 else ():
        on = f"on one data folder ({mount.source}), which two servers destroy"
        safe = Hint("A data folder can have only one server: leave it at one.")
        yield on_volume(
            f"it runs {count} copies of {service.name} {on}", mount, scene, safe, scene.environment()
        )


def _shadowed(
    service: Service, mine: list[Container], project: Project, scene: Scene
) -> Iterator[DataEffect]:
    """A database that would start empty because its data are in another volume."""
    process, instead = service.process, "which holds the data: the database would be empty"
    for name, place in _homes(service, mine, project, scene):
        now = next((mount for mount in process.mounts if mount.target == place), Mount("nothing", "", place))
        if now.source != name or now.kind == "tmpfs":
            given, whose = now.source or now.kind, scene.environment_of_volume(name) or scene.environment()
            what = f"it starts {service.name} with {given} at {place} instead of {name}, {instead}"
            yield destroys(what, whose, (name,), _NAME_BACK)
    moved = {container.process.pgdata for container in mine if container.process.pgdata} - {process.pgdata}
    if moved and process.pgdata and scene.data(process):
        what = f"it starts {service.name} with PGDATA={process.pgdata} instead of {moved.pop()}, {instead}"
        yield destroys(what, scene.environment(), safe=Hint("Set PGDATA to its old value."))


def _homes(
    service: Service, mine: list[Container], project: Project, scene: Scene
) -> Iterator[tuple[str, str]]:
    """The service's data volumes, with their targets: by its containers, or by the project's old volumes."""
    for container in mine:
        for mount in scene.data(container.process):
            if mount.is_data(container.process.pgdata):
                yield mount.source, mount.target
    used = {mount.source for other in project.services for mount in other.process.mounts}
    of_data = [mount for mount in service.process.mounts if mount.is_data(service.process.pgdata)]
    new = [mount for mount in of_data if mount.kind != "bind" and not scene.engine.volume(mount.source)]
    environment, protected = scene.environment(), scene.protected
    for volume in scene.engine.volumes if new and not mine else ():
        left = volume.labels.get(PROJECT) == project.name  # whatever is in it: nobody can tell any more
        theirs = environment and scene.environment_of_volume(volume.name) == environment
        if volume.name not in used and (left or (theirs and volume.name in protected)):
            yield volume.name, new[0].target


def _another_image(call: Call, service: Service, mine: list[Container], scene: Scene) -> Iterator[DataEffect]:
    """Another image on the same data: another major version may be unable to read them, or change them."""
    after, pull = service.process, call.last("pull") or service.pull
    builds = service.built and (call.on("build") or pull == "build" or call.verb == "compose watch")
    for container in mine:
        before, runs = container.process, "may run another " if builds or pull.startswith(_FETCHING) else ""
        if before.image != after.image:
            runs = "runs "
        elif after.image_id and before.image_id != after.image_id:
            runs = "runs another "
        for mount in scene.data(before) if runs else ():
            what = f"it {runs}{after.image} on the data of {before.image} ({service.name})"
            yield on_volume(what, mount, scene, _MAJOR, scene.environment_of(container.labels), known=False)
