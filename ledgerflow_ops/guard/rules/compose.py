"""What Compose would start: each service is compared with the existing containers and volumes."""

from collections.abc import Iterator
from dataclasses import replace

from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import overlap
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops.guard.model import Container, Mount, Process, Project, Service
from ledgerflow_ops.guard.rules import compose_data_loss, compose_hooks, containers, copying, removals
from ledgerflow_ops.guard.rules.mounted_data import (
    exposed_data,
    mounts_only_own_data,
    overlaid_data,
    runs_server,
    second_server,
)


def up(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`up`, `create`, `watch` and `scale`."""
    project = scene.project
    if project is None:
        return
    yield from compose_data_loss.renamed(project, scene)
    yield from compose_data_loss.redefined(project, scene)
    for service in project.services:
        yield from service_started(call, service, project, scene)
    if call.on("renew-anon-volumes"):
        yield from compose_data_loss.renewed(project, scene)
    if call.on("remove-orphans") or (scene.orphans_go and "remove-orphans" not in call.options):
        yield from _orphans(project, scene)


def _orphans(project: Project, scene: Scene) -> Iterator[DataEffect]:
    """The containers of services that the file no longer contains."""
    kept = {service.name for service in project.services}
    gone = [container for container in scene.engine.of(project.name) if container.service not in kept]
    yield from removals.orphaned(gone, scene)


def started(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose start` and `restart` of existing containers."""
    for container in scene.engine.of(scene.project_name, call.operands):
        yield from containers.container_started(container, scene)


def service_started(call: Call, service: Service, project: Project, scene: Scene) -> Iterator[DataEffect]:
    """One service that is brought up: its mounts, its data, its programs."""
    mine = _of_service(service, project, scene)
    yield from _given(service, mine, scene)
    yield from compose_data_loss.copies(call, service, scene)
    yield from compose_data_loss.shadowed(service, mine, project, scene)
    yield from compose_data_loss.another_image(call, service, mine, scene)
    yield from _by_its_program(service, mine, scene)
    yield from compose_hooks.of_service(service, scene)
    yield from _from_outside(service, scene)


def _given(service: Service, mine: list[Container], scene: Scene) -> Iterator[DataEffect]:
    """The service's mounts. A PostgreSQL may mount its own data; mounts that exist already are allowed."""
    process, who = service.process, f"the service {service.name}"
    held = tuple(mount for container in mine for mount in container.process.mounts)
    fresh = tuple(mount for mount in process.mounts if not _has(held, mount))
    same = _unchanged(process, mine) and all(_has(held, mount) for mount in scene.data(process))
    server = (runs_server(process) or same) and mounts_only_own_data(process, scene)
    asked = process
    if server or not scene.data(process):
        known = any(container.process.unbound == process.unbound for container in mine)
        asked = replace(process, mounts=fresh, unbound="" if known else process.unbound)
    yield from exposed_data(who, asked, scene, allowed=server)
    yield from second_server(who, process, scene, frozenset(container.id for container in mine))
    yield from overlaid_data(who, process, fresh, scene)


def _by_its_program(service: Service, mine: list[Container], scene: Scene) -> Iterator[DataEffect]:
    """The effect of the service's own program on the database, if the project is an environment's."""
    process = service.process
    if not scene.environment() or scene.data(process) or _unchanged(process, mine):
        return
    finding = programs.effect((*process.entrypoint, *process.command), compose_hooks.around(service, scene))
    migrates = any("migrate" in word for word in process.command)
    if finding.effect == Effect.DESTROYS or (finding.effect == Effect.CHANGES and migrates):
        yield compose_hooks.by_program(f"at its start {service.name}", finding, scene)


def _from_outside(service: Service, scene: Scene) -> Iterator[DataEffect]:
    """What changes the service from outside its image: a provider program, changed files of the host."""
    who, environment, data = f"the service {service.name}", scene.environment(), scene.data(service.process)
    if service.outside and (data or environment):
        yield destroys(f"{who}: {service.outside}", environment=environment)
    for target in service.watched:
        if any(overlap(target, mount.target) for mount in data):
            yield destroys(f"{who}: changed files are copied to {target}", environment=environment)


def _of_service(service: Service, project: Project, scene: Scene) -> list[Container]:
    return [container for container in scene.engine.of(project.name, [service.name]) if not container.one_off]


def _unchanged(process: Process, mine: list[Container]) -> bool:
    """Whether a container of this service already runs the same image and program."""
    return any(
        container.process.image == process.image
        and (not process.entrypoint or container.process.entrypoint == process.entrypoint)
        and (not process.command or container.process.command == process.command)
        for container in mine
    )


def _has(held: tuple[Mount, ...], mount: Mount) -> bool:
    return any(
        (existing.kind, existing.source, existing.target) == (mount.kind, mount.source, mount.target)
        and existing.writable >= mount.writable
        for existing in held
    )


def one_off(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose run`: another program with a service's volumes."""
    project, name = scene.project, call.operands[0] if call.operands else ""
    service = (
        next((candidate for candidate in project.services if candidate.name == name), None)
        if project
        else None
    )
    if project is None or service is None:
        return
    for other in project.services:
        if other is not service and not call.on("no-deps"):  # Compose lists it because it starts it
            yield from service_started(call, other, project, scene)
    if call.on("remove-orphans"):
        yield from _orphans(project, scene)
    own = service.process
    entrypoint = own.entrypoint
    if "entrypoint" in call.options:
        entrypoint = mounts.words(call.last("entrypoint"))
    command = call.operands[1:] or (() if "entrypoint" in call.options else own.command)
    asked = tuple(mounts.asked_for(call, scene))
    process = Process(own.image, entrypoint, command, (*own.mounts, *asked), own.pgdata, mounts.unbound(call))
    extra = Process(own.image, entrypoint, command, asked, own.pgdata, process.unbound or own.unbound)
    yield from exposed_data(f"a container of {name}", extra, scene, allowed=False)
    if runs_server(process):
        yield from second_server(f"a second {name}", process, scene)
        return
    yield from containers.in_service(call, process, f"a container of {name}", scene)


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose exec`."""
    for container in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from containers.run_inside(call, container, call.operands[1:], scene)


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose attach`."""
    for container in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from containers.attached_input(container, scene, given=not call.on("no-stdin"))


def copied(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = place(target)
    if name:
        for container in scene.engine.of(scene.project_name, [name]):
            yield from copying.copied_into(container, path, scene, source)
    elif place(source)[0] and target != "-":
        yield from copying.written(target, scene, copied=place(source)[1] or "/")
