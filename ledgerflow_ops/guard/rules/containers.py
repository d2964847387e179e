"""The effects of commands on single containers: run, create, start, exec, attach."""

from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.inside.effects import Surroundings, interactive
from ledgerflow_ops.guard.model import Container, Stdin
from ledgerflow_ops.guard.rules import copying, programs_inside
from ledgerflow_ops.guard.rules.mounted_data import (
    exposed_data,
    mounts_only_own_data,
    overlaid_data,
    runs_server,
    second_server,
)


def new_container(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`run` and `create`."""
    process = mounts.of_call(call, scene)
    who = f"a container of {process.image or 'an image'}"
    server = runs_server(process) and mounts_only_own_data(process, scene)
    yield from exposed_data(who, process, scene, allowed=server)
    yield from second_server(who, process, scene)
    yield from overlaid_data(who, process, process.mounts, scene)
    named = (*process.command, *call.all("env"), *call.all("add-host"), *call.all("link"))
    near = scene.reached(frozenset(call.all("network")), _labels(call), named)
    where = programs_inside.around(call, scene, scene.data(process))
    argv = (*process.entrypoint, *process.command) or (process.image,)
    if not runs_server(process):
        yield from programs_inside.program(argv, who, near, where, scene, call)
    if call.last("health-cmd"):
        check, own = ("sh", "-c", call.last("health-cmd")), scene.data(process)
        yield from programs_inside.program(check, who, near, where, scene, own=own)


def _labels(call: Call) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in call.all("label"))


def started(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`start` and `restart` of existing containers."""
    for name in call.operands:
        container = scene.engine.container(name)
        if container:
            yield from container_started(container, scene)
            if call.verb == "start" and (call.on("interactive") or call.on("attach")):
                yield from attached_input(container, scene, given=call.on("interactive"))


def container_started(container: Container, scene: Scene) -> Iterator[DataEffect]:
    """The start of an existing container, which may have been created without being judged."""
    process = container.process
    if container.running:
        return
    server = runs_server(process) and mounts_only_own_data(process, scene)
    yield from exposed_data(container.name, process, scene, allowed=server)
    yield from second_server(container.name, process, scene)
    if not server and not scene.environment_of(
        container.labels
    ):  # an environment's own services start every day
        near = [one for one in reached(container, scene) if one.id != container.id]
        where = Surroundings((), terminal=False, input=False)
        yield from programs_inside.program(
            (*process.entrypoint, *process.command), container.name, near, where, scene
        )


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`exec`."""
    container = scene.engine.container(call.operands[0]) if call.operands else None
    if container:
        yield from run_inside(call, container, call.operands[1:], scene)


def run_inside(call: Call, container: Container, argv: tuple[str, ...], scene: Scene) -> Iterator[DataEffect]:
    """A program in an existing container, run by docker or by Compose."""
    if call.on("privileged") and scene.protected:
        yield destroys(
            f"it runs a program in {container.name} that is not confined to the container: it could reach "
            "every volume",
            environment=scene.environment_of(container.labels),
        )
    near = reached(container, scene, (*argv, *call.all("env")))
    where = programs_inside.around(
        call, scene, scene.data(container.process), call.last("workdir") or container.workdir
    )
    yield from programs_inside.program(argv, container.name, near, where, scene, call)


def reached(container: Container, scene: Scene, words: tuple[str, ...] = ()) -> list[Container]:
    """The protected databases that a program in it can change: its own, or those that it can speak to."""
    if scene.data(container.process):
        return [container]
    return scene.reached(container.networks, container.labels, words)


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`attach`."""
    container = scene.engine.container(call.operands[0]) if call.operands else None
    if container:
        yield from attached_input(container, scene, given=not call.on("no-stdin"))


def attached_input(container: Container, scene: Scene, *, given: bool) -> Iterator[DataEffect]:
    """Input to a container's main program; a container that was started without stdin gets none."""
    if given and container.reads_input and scene.stdin is not Stdin.NOTHING:
        where = Surroundings((), terminal=True, input=True)
        name = " ".join((*container.process.entrypoint, *container.process.command)[:1]) or "its program"
        found = interactive(name, where)
        yield from programs_inside.on_databases(
            found, f"in {container.name} it", reached(container, scene), scene
        )


def paths(call: Call, scene: Scene) -> Iterator[str]:
    """Every path of the host that the verdict depends on, to be resolved."""
    mounted = [mounts.of_call(call, scene)] if call.verb in ("run", "create", "compose run") else []
    mounted += [container.process for container in scene.engine.containers]
    mounted += [service.process for service in scene.project.services] if scene.project else []
    yield from (mount.source for container in mounted for mount in container.mounts if mount.kind == "bind")
    for volume in scene.engine.volumes:
        yield from volume.places
    if call.verb == "volume create":
        yield from host_places(dict(_option(text) for text in call.all("opt")))
    yield from (copying.on_host(target, scene) for target in (*call.all("output"), *scene.outputs))
    if call.verb in ("cp", "compose cp"):
        yield from (copying.on_host(path, scene) for name, path in map(place, call.operands) if not name)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def volume_made(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume create` with a protected folder as its data."""
    for value in host_places(dict(_option(text) for text in call.all("opt"))):
        for folder, reason in scene.folders.items():
            if scene.reaches(value, folder):
                yield destroys(
                    f"it creates a volume of {value} ({folder}: {reason}), through which containers could "
                    "write there",
                    safe=Hint("Mount a folder that holds nothing else."),
                )


def network_joined(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`network connect`: what runs in the container then speaks to the databases of that network."""
    if len(call.operands) == 2 and (container := scene.engine.container(call.operands[1])):
        near = scene.reached(frozenset(call.operands[:1]), {})
        if near and container not in near and not scene.environment_of(container.labels):
            found = interactive(container.name, Surroundings((), terminal=True, input=True))
            yield from programs_inside.on_databases(found, "it connects a container and", near, scene)


def context_changed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`context use` and `context update`: later commands would go to another engine."""
    name = call.operands[0] if call.operands else ""
    moves = scene.elsewhere.get(name, False) or (call.verb == "context update" and bool(call.last("docker")))
    if moves and scene.protected:
        yield destroys(
            f"it directs all later commands to another engine ({name})",
            safe=Hint(
                "Begin each command that is meant for it with: ",
                command("docker", "--context", name or "NAME"),
            ),
        )
