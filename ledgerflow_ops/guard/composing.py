"""What Compose would start: a service is held against the containers and volumes that are there.

Three ways in which `up` loses data, all tried: a compose file whose volume has another name, or another
place in the container, gives an empty database in the old one's stead; a volume whose definition was
changed by as little as a label is removed and made again by `up -y`, and by whoever answers yes; two copies
of the database's service run two servers on one data folder.
"""

from collections.abc import Iterator

from ledgerflow_ops.guard import mounts, removals, running
from ledgerflow_ops.guard.handing import at_home, handed_out, overlaid, runs_server, second_server
from ledgerflow_ops.guard.hostpaths import overlap
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Around, Effect, Finding, reads
from ledgerflow_ops.guard.parse import Call
from ledgerflow_ops.guard.scene import (
    PROJECT,
    Container,
    Declared,
    Mount,
    Process,
    Project,
    Scene,
    Service,
    Volume,
)
from ledgerflow_ops.guard.touches import Touch, changes, destroys

_NAME_BACK = "Give the volume its old name back in the compose file, or name: it there."
_FILES = "com.docker.compose.project.config_files"
_OWN_LABELS = "com.docker.compose."


def brought_up(call: Call, scene: Scene) -> Iterator[Touch]:
    """`up`, `create`, `watch` and `scale`."""
    project = scene.project
    if project is None:
        return
    yield from _renamed(project, scene)
    yield from _redefined(project, scene)
    for service in project.services:
        yield from service_started(call, service, project, scene)
    if call.on("renew-anon-volumes"):
        yield from _renewed(project, scene)
    if call.on("remove-orphans"):
        kept = {service.name for service in project.services}
        gone = [one for one in scene.engine.of(project.name) if one.service not in kept]
        yield from removals.orphaned(gone, scene)


def started(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose start` and `restart`: containers that are there."""
    for one in scene.engine.of(_name(scene), call.operands):
        yield from running.container_started(one, scene)


def service_started(call: Call, service: Service, project: Project, scene: Scene) -> Iterator[Touch]:
    """One service, brought up."""
    process, mine = service.process, _of_service(service, project, scene)
    who = f"the service {service.name}"
    held = tuple(mount for one in mine for mount in one.process.mounts)
    same = _unchanged(process, mine) and all(_has(held, mount) for mount in scene.data(process))
    server = (runs_server(process) or same) and at_home(process, scene)
    fresh = tuple(mount for mount in process.mounts if not _has(held, mount))
    unbound = "" if any(one.process.unbound == process.unbound for one in mine) else process.unbound
    shown = Process(process.image, process.entrypoint, process.command, fresh, process.pgdata, unbound)
    yield from handed_out(who, shown if server or not scene.data(process) else process, scene, allowed=server)
    besides = frozenset(one.id for one in mine)
    yield from second_server(who, process, scene, besides)
    yield from _copies(call, service, scene)
    yield from _shadowed(service, mine, project, scene)
    yield from overlaid(who, process, fresh, scene)
    yield from _another_image(service, mine, scene)
    yield from _told(service, mine, scene)
    if service.outside and (scene.data(process) or scene.environment_of_project(project.name)):
        yield destroys(f"{who}: {service.outside}", environment=_environment(scene))
    for target in service.watched:
        if any(overlap(target, mount.target) for mount in scene.data(process)):
            yield destroys(f"{who}: changed files are copied to {target}", environment=_environment(scene))


def _name(scene: Scene) -> str:
    return scene.project.name if scene.project else ""


def _environment(scene: Scene) -> str:
    return scene.environment_of_project(_name(scene))


def _of_service(service: Service, project: Project, scene: Scene) -> list[Container]:
    return [one for one in scene.engine.of(project.name, [service.name]) if not one.one_off]


def _unchanged(process: Process, mine: list[Container]) -> bool:
    """Whether a container of this service already runs the very same on the very same."""
    return any(
        one.process.image == process.image
        and (not process.entrypoint or one.process.entrypoint == process.entrypoint)
        and (not process.command or one.process.command == process.command)
        for one in mine
    )


def _has(held: tuple[Mount, ...], mount: Mount) -> bool:
    return any(
        (one.kind, one.source, one.target) == (mount.kind, mount.source, mount.target)
        and one.writable >= mount.writable
        for one in held
    )


def _renamed(project: Project, scene: Scene) -> Iterator[Touch]:
    """A project under another name than the one that its file's containers were made under."""
    for one in scene.engine.containers:
        files = one.labels.get(_FILES, "").split(",")
        if one.project != project.name and set(files) & set(project.files) and scene.data(one.process):
            yield destroys(
                f"it starts the project {project.name} beside {one.project}, which the same file was used "
                "for and which holds the data: the new one would be empty",
                environment=scene.environment_of(one.labels),
                safe=f"Keep the project's name: docker compose -p {one.project} …",
            )


def _redefined(project: Project, scene: Scene) -> Iterator[Touch]:
    """Volumes that Compose would offer to remove and to make again, because they are declared otherwise."""
    protected = scene.protected()
    for declared in project.volumes:
        volume = scene.engine.volume(declared.name)
        if volume and not declared.external and declared.name in protected and _differs(declared, volume):
            yield destroys(
                f"it removes the volume {declared.name} and makes it again, empty: the compose file declares "
                "it in another way than it was made, and one yes is enough",
                environment=scene.environment_of_volume(declared.name) or _environment(scene),
                volumes=(declared.name,),
                safe="Take back what was changed under volumes: in the compose file, or say external: true.",
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


def _renewed(project: Project, scene: Scene) -> Iterator[Touch]:
    protected = scene.protected()
    for one in scene.engine.of(project.name):
        for mount in one.process.mounts:
            volume = scene.engine.volume(mount.source) if mount.kind == "volume" else None
            if volume and volume.anonymous and volume.name in protected:
                yield destroys(
                    f"it gives {one.name} an empty volume for its data ({protected[volume.name]})",
                    environment=_environment(scene),
                    volumes=(volume.name,),
                    safe="Leave out -V: the volume is then taken over.",
                )


def _copies(call: Call, service: Service, scene: Scene) -> Iterator[Touch]:
    count = service.copies
    wanted = [*call.all("scale"), *(call.operands if call.verb == "compose scale" else ())]
    for text in wanted:
        name, _, number = text.partition("=")
        if name == service.name:
            count = int(number) if number.isdigit() else 2
    if count < 1:
        yield from removals.orphaned(scene.engine.of(_name(scene), [service.name]), scene)
    if count > 1 and scene.data(service.process):
        yield destroys(
            f"it runs {count} copies of {service.name} on one data folder: two servers destroy it",
            environment=_environment(scene),
            volumes=tuple(mount.source for mount in scene.data(service.process)),
            safe="A PostgreSQL has one server for its data folder: leave it at one.",
        )


def _shadowed(service: Service, mine: list[Container], project: Project, scene: Scene) -> Iterator[Touch]:
    """A database that would begin empty while its data lie in another volume."""
    process = service.process
    for name, place in _homes(service, mine, project, scene):
        now = next((mount for mount in process.mounts if mount.target == place), None)
        if now is None or now.source != name or now.kind == "tmpfs":
            instead = f"{now.source or now.kind}" if now else "nothing"
            yield destroys(
                f"it starts {service.name} with {instead} at {place} instead of {name}, which holds the "
                "data: the database would be empty",
                environment=scene.environment_of_volume(name) or _environment(scene),
                volumes=(name,),
                safe=_NAME_BACK,
            )
    moved = {one.process.pgdata for one in mine if one.process.pgdata} - {process.pgdata}
    if moved and process.pgdata and scene.data(process):
        yield destroys(
            f"it starts {service.name} with PGDATA={process.pgdata} instead of {moved.pop()}, which holds "
            "the data: the database would be empty",
            environment=_environment(scene),
            safe="Take PGDATA back to what it was.",
        )


def _homes(
    service: Service, mine: list[Container], project: Project, scene: Scene
) -> Iterator[tuple[str, str]]:
    """Where this service's data are: by its containers, or by the volumes that the project left behind."""
    if mine:
        for one in mine:
            for mount in scene.data(one.process):
                if mount.is_data(one.process.pgdata):
                    yield mount.source, mount.target
        return
    used = {mount.source for other in project.services for mount in other.process.mounts}
    mounts_of_data = [mount for mount in service.process.mounts if mount.is_data(service.process.pgdata)]
    new = [
        mount for mount in mounts_of_data if mount.kind != "bind" and not scene.engine.volume(mount.source)
    ]
    environment, protected = _environment(scene), scene.protected()
    for volume in scene.engine.volumes if new else ():
        left = volume.labels.get(PROJECT) == project.name  # whatever is in it: nobody can tell any more
        theirs = environment and scene.environment_of_volume(volume.name) == environment
        if volume.name not in used and (left or (theirs and volume.name in protected)):
            yield volume.name, new[0].target


def _another_image(service: Service, mine: list[Container], scene: Scene) -> Iterator[Touch]:
    """Another image below the data: of another major version it may not read them, or change them."""
    for one in mine:
        before, after = one.process, service.process
        newer = "another " if before.image == after.image else ""
        moved = bool(after.image_id) and before.image_id != after.image_id
        if scene.data(before) and (before.image != after.image or moved):
            yield changes(
                f"it runs {newer}{after.image} on the data of {before.image} ({service.name})",
                environment=scene.environment_of(one.labels),
                volumes=tuple(mount.source for mount in scene.data(one.process)),
                safe="Another major version cannot read the data: make backup, start it empty, make restore.",
            )


def _told(service: Service, mine: list[Container], scene: Scene) -> Iterator[Touch]:
    """What a service's own program and hooks would do, where the project is an environment's."""
    data = tuple(mount.target for mount in scene.data(service.process))
    environment = _environment(scene)
    if not (environment or data):
        return
    around = Around(data, terminal=False, input=False)
    if not data and not _unchanged(service.process, mine):
        found = programs.effect((*service.process.entrypoint, *service.process.command), around)
        migrates = any("migrate" in word for word in service.process.command)
        if found.effect == Effect.DESTROYS or (found.effect == Effect.CHANGES and migrates):
            yield _by_program(f"at its start {service.name}", found, environment)
    found = programs.effect(service.health, around) if service.health else reads("")
    if found.effect == Effect.DESTROYS and not found.unread:
        yield _by_program(f"the health check of {service.name}", found, environment)
    for hook in service.hooks:
        found = programs.effect(hook, around)
        if found.effect != Effect.READS:
            yield _by_program(f"a hook of {service.name}", found, environment)


def _by_program(who: str, found: Finding, environment: str) -> Touch:
    """A service's own program, as its owner wrote it: what cannot be read is not taken for the worst."""
    make = destroys if found.effect == Effect.DESTROYS and not found.unread else changes
    return make(f"{who} {found.why}", environment=environment)


def one_off(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose run`: a service's volumes with another program."""
    project, name = scene.project, call.operands[0] if call.operands else ""
    service = next((one for one in project.services if one.name == name), None) if project else None
    if project is None or service is None:
        return
    for other in project.services:
        if other is not service and not call.on("no-deps"):  # Compose tells of it because it starts it
            yield from service_started(call, other, project, scene)
    own = service.process
    entrypoint = own.entrypoint
    if "entrypoint" in call.options:
        entrypoint = mounts.words(call.last("entrypoint"))
    command = call.operands[1:] or (() if "entrypoint" in call.options else own.command)
    asked = tuple(mounts.asked_for(call, scene))
    process = Process(own.image, entrypoint, command, (*own.mounts, *asked), own.pgdata, mounts.unbound(call))
    extra = Process(own.image, entrypoint, command, asked, own.pgdata, process.unbound or own.unbound)
    yield from handed_out(f"a container of {name}", extra, scene, allowed=False)
    if runs_server(process):
        yield from second_server(f"a second {name}", process, scene)
        return
    yield from running.in_service(call, process, f"a container of {name}", scene)


def executed(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose exec`."""
    for one in scene.engine.of(_name(scene), call.operands[:1]):
        yield from running.run_inside(call, one, call.operands[1:], scene)


def attached(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose attach`."""
    for one in scene.engine.of(_name(scene), call.operands[:1]):
        yield from running.listening(one, scene, given=not call.on("no-stdin"))


def copied(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = running.place(target)
    if name:
        for one in scene.engine.of(_name(scene), [name]):
            yield from running.copied_into(one, path, scene)
    elif running.place(source)[0] and target != "-":
        yield from running.written(target, scene, copied=running.place(source)[1] or "/")
