"""What Compose would start: each service is compared with the existing containers and volumes."""

from collections.abc import Iterator
from dataclasses import replace

from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import overlap
from ledgerflow_ops.guard.inside.effects import Effect, Surroundings
from ledgerflow_ops.guard.model import PROJECT, Container, Hook, Mount, Process, Project, Service
from ledgerflow_ops.guard.rules import compose_data_loss, containers, programs_inside, removals
from ledgerflow_ops.guard.rules.mounted_data import (
    exposed_data,
    mounts_only_own_data,
    overlaid_data,
    runs_server,
    second_server,
)

STOPPING = frozenset({"compose stop", "compose restart", "compose down", "compose rm", "compose wait"})
STARTING = frozenset({"compose start", "compose restart"})


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
    yield from _by_its_program(service, mine, project, scene)
    yield from _hooks(service, (*service.at_start, *service.at_stop, *service.at_change), project, scene)
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
    for words, what in ((argv, "at its start"), (service.health, "the health check of")):
        for effect in _inside(words, service, project, scene) if words else ():
            ours = scene.environment_of_project(project.name)
            counts = not ours or mine or any("migrate" in word for word in words)
            if effect.effect is Effect.DESTROYS or (what == "at its start" and counts):
                yield replace(effect, what=f"{what} {service.name}: {effect.what}")


def _inside(
    words: tuple[str, ...], service: Service, project: Project, scene: Scene, call: Call | None = None
) -> Iterator[DataEffect]:
    """The effect of a program in a service on the databases that it reaches, running or started beside it."""
    process, data = service.process, scene.data(service.process)
    named = (*process.entrypoint, *process.command, *words)
    near = scene.reached(process.networks, {PROJECT: project.name}, named)
    own = [mount for other in project.services for mount in scene.data(other.process)]
    where = Surroundings(data_targets(data), terminal=False, input=False)
    if call:
        where = programs_inside.around(call, scene, data, call.last("workdir"))
    yield from programs_inside.program(words, service.name, near, where, scene, call, own)


def _hooks(service: Service, hooks: tuple[Hook, ...], project: Project, scene: Scene) -> Iterator[DataEffect]:
    """What Compose runs in a service's container when it starts or stops it, as the current file says.

    Tested with `stop`, `restart`, `down` and `rm --stop`, which run pre_stop, also in containers that were
    created long before. `kill` and `run` run none.
    """
    for hook in hooks:
        if hook.privileged and scene.protected:
            yield destroys(
                f"a hook of {service.name} is not confined to the container: it could reach every volume",
                environment=scene.environment_of_project(project.name),
            )
        for effect in _inside(hook.command, service, project, scene):
            yield replace(effect, what=f"a hook: {effect.what}")


def hooks_of_call(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """The hooks that a command runs in existing containers."""
    project = scene.project
    for service in project.services if project else ():
        named = not call.operands or service.name in call.operands
        if project and named and scene.engine.of(project.name, [service.name]):
            starts = service.at_start if call.verb in STARTING else ()
            stops = (
                service.at_stop
                if call.verb in STOPPING and (call.verb != "compose rm" or call.on("stop"))
                else ()
            )
            yield from _hooks(service, (*starts, *stops), project, scene)


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
    entrypoint = mounts.words(call.last("entrypoint")) if "entrypoint" in call.options else own.entrypoint
    command = call.operands[1:] or (() if "entrypoint" in call.options else own.command)
    asked = tuple(mounts.asked_for(call, scene))
    process = replace(own, entrypoint=entrypoint, command=command, mounts=(*own.mounts, *asked))
    process = replace(process, unbound=mounts.unbound(call) or own.unbound)
    database = mounts_only_own_data(own, scene) and runs_server(own)
    given = replace(process, mounts=asked if database else process.mounts)
    yield from exposed_data(f"a container of {name}", given, scene, allowed=False)
    if runs_server(process):
        yield from second_server(f"a second {name}", process, scene)
        return
    asked_of = replace(service, process=process)
    yield from _inside((*entrypoint, *command), asked_of, project, scene, call)


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose exec`."""
    for container in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from containers.run_inside(call, container, call.operands[1:], scene)


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`compose attach`."""
    for one in scene.engine.of(scene.project_name, call.operands[:1]):
        yield from containers.attached_input(one, scene, given=not call.on("no-stdin"))
