"""What Compose would start: each service is held against the containers and volumes that are there."""

from collections.abc import Iterator

from ledgerflow_ops.guard import mounts, removals, running, shadowing
from ledgerflow_ops.guard.handing import at_home, handed_out, overlaid, runs_server, second_server
from ledgerflow_ops.guard.hostpaths import overlap
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Around, Effect, Finding, reads
from ledgerflow_ops.guard.parse import Call
from ledgerflow_ops.guard.scene import Scene
from ledgerflow_ops.guard.things import Container, Mount, Process, Project, Service
from ledgerflow_ops.guard.touches import Touch, changes, destroys


def brought_up(call: Call, scene: Scene) -> Iterator[Touch]:
    """`up`, `create`, `watch` and `scale`."""
    project = scene.project
    if project is None:
        return
    yield from shadowing.renamed(project, scene)
    yield from shadowing.redefined(project, scene)
    for service in project.services:
        yield from service_started(call, service, project, scene)
    if call.on("renew-anon-volumes"):
        yield from shadowing.renewed(project, scene)
    if call.on("remove-orphans"):
        kept = {service.name for service in project.services}
        gone = [one for one in scene.engine.of(project.name) if one.service not in kept]
        yield from removals.orphaned(gone, scene)


def started(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose start` and `restart`: containers that are there."""
    for one in scene.engine.of(scene.project_name, call.operands):
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
    yield from shadowing.copies(call, service, scene)
    yield from shadowing.shadowed(service, mine, project, scene)
    yield from overlaid(who, process, fresh, scene)
    yield from shadowing.another_image(service, mine, scene)
    yield from _told(service, mine, scene)
    if service.outside and (scene.data(process) or scene.environment_of_project(project.name)):
        yield destroys(f"{who}: {service.outside}", environment=scene.environment())
    for target in service.watched:
        if any(overlap(target, mount.target) for mount in scene.data(process)):
            yield destroys(f"{who}: changed files are copied to {target}", environment=scene.environment())


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


def _told(service: Service, mine: list[Container], scene: Scene) -> Iterator[Touch]:
    """What a service's own program and hooks would do, where the project is an environment's."""
    data = tuple(mount.target for mount in scene.data(service.process))
    environment = scene.environment()
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
    for one in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from running.run_inside(call, one, call.operands[1:], scene)


def attached(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose attach`."""
    for one in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from running.listening(one, scene, given=not call.on("no-stdin"))


def copied(call: Call, scene: Scene) -> Iterator[Touch]:
    """`compose cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = running.place(target)
    if name:
        for one in scene.engine.of(scene.project_name, [name]):
            yield from running.copied_into(one, path, scene)
    elif running.place(source)[0] and target != "-":
        yield from running.written(target, scene, copied=running.place(source)[1] or "/")
