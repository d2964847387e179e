"""The effects of commands on single containers: run, create, start, exec, attach."""

from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect, changes, destroys
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Effect, Finding, Surroundings, unread, worst
from ledgerflow_ops.guard.inside.environment import variable
from ledgerflow_ops.guard.model import Container, Process, Stdin
from ledgerflow_ops.guard.rules import copying
from ledgerflow_ops.guard.rules.mounted_data import (
    exposed_data,
    mounts_only_own_data,
    overlaid_data,
    runs_server,
    second_server,
)

_BACKUP = Hint(
    "Take a backup first: ",
    make("backup"),
    "; then put this before the command, to see what it would do: ",
    command("ledger_docker", "--explain"),
)


def in_service(call: Call, process: Process, who: str, scene: Scene) -> Iterator[DataEffect]:
    """A one-off container of a Compose service, with its own program."""
    data = data_targets(scene.data(process))
    environment = scene.environment()
    near = [
        container for container in _databases(scene) if environment == scene.environment_of(container.labels)
    ]
    around = _around(call, scene, data, call.last("workdir"))
    finding = worst([programs.effect(_argv(process), around), *_variables(call, around)], "")
    yield from _told(finding, who, near, scene, known=bool(near or data))


def new_container(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`run` and `create`."""
    process = mounts.of_call(call, scene)
    who = f"a container of {process.image or 'an image'}"
    server = runs_server(process) and mounts_only_own_data(process, scene)
    yield from exposed_data(who, process, scene, allowed=server)
    yield from second_server(who, process, scene)
    yield from overlaid_data(who, process, process.mounts, scene)
    yield from _well(call, process, who, scene)
    if not server:
        near = _near(call, scene)
        around = _around(call, scene, data=())
        yield from _told(programs.effect(_argv(process), around), who, near, scene, known=bool(near))


def _well(call: Call, process: Process, who: str, scene: Scene) -> Iterator[DataEffect]:
    """The program of the container's health check."""
    if call.last("health-cmd"):
        data = data_targets(scene.data(process))
        finding = programs.effect(("sh", "-c", call.last("health-cmd")), _around(call, scene, data))
        if finding.effect == Effect.DESTROYS:
            yield destroys(f"the health check of {who} {finding.why}", safe=_BACKUP)


def _near(call: Call, scene: Scene) -> list[Container]:
    """The protected databases that a new container could reach through its networks."""
    names = {name.removeprefix("container:") for name in call.all("network")}
    return [
        container
        for container in _databases(scene)
        if names & {*container.networks, container.name, container.id, "host"}
    ]


def _databases(scene: Scene) -> list[Container]:
    return [container for container in scene.engine.containers if scene.data(container.process)]


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
    if container.running:
        return
    server = runs_server(container.process) and mounts_only_own_data(container.process, scene)
    yield from exposed_data(container.name, container.process, scene, allowed=server)
    yield from second_server(container.name, container.process, scene)


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`exec`."""
    if not call.operands:
        return
    container = scene.engine.container(call.operands[0])
    if container:
        yield from run_inside(call, container, call.operands[1:], scene)


def run_inside(call: Call, container: Container, argv: tuple[str, ...], scene: Scene) -> Iterator[DataEffect]:
    """A program in an existing container, run by docker or by Compose."""
    if call.on("privileged"):
        yield destroys(
            f"it runs a program in {container.name} that is not confined to the container: it could reach "
            "every volume",
            environment=scene.environment_of(container.labels),
        )
    data = data_targets(scene.data(container.process))
    near = [container] if data else _reached(container, scene)
    around = _around(call, scene, data, call.last("workdir") or container.workdir)
    if not near:  # its input cannot reach a database, but its arguments may name one
        around = Surroundings((), terminal=around.terminal, input=False, workdir=around.workdir)
    finding = programs.effect(argv, around)
    if near:
        finding = worst([finding, *_variables(call, around)], "")
    yield from _told(finding, container.name, near, scene, known=bool(near))


def _variables(call: Call, around: Surroundings) -> Iterator[Finding]:
    """The variables that a program is given, some of which redirect it. One without a value is inherited."""
    for text in call.all("env"):
        yield variable(text if "=" in text else f"{text}=?", around)
    for file in (*call.all("env-file"), *call.all("env-from-file")):
        yield unread(f"is given the variables in {file}, which are not read here")


def _reached(container: Container, scene: Scene) -> list[Container]:
    """The protected databases that this container can reach: of its project, or on a shared network."""
    environment = scene.environment_of(container.labels)
    return [
        other
        for other in _databases(scene)
        if (environment and scene.environment_of(other.labels) == environment)
        or (container.project and other.project == container.project)
        or (container.networks & other.networks - {"none"})
        or "host" in container.networks
    ]


def _told(
    finding: Finding, who: str, near: list[Container], scene: Scene, *, known: bool
) -> Iterator[DataEffect]:
    """A finding as an effect on data. If no database is reachable, only a destroying one counts."""
    if finding.effect == Effect.READS or (finding.effect == Effect.CHANGES and not known):
        return
    environments = {scene.environment_of(container.labels) for container in near}
    volumes = {
        mount.source
        for container in near
        for mount in scene.data(container.process)
        if mount.kind == "volume"
    }
    touch = destroys if finding.effect == Effect.DESTROYS else changes
    yield touch(
        f"in {who} it {finding.why}",
        environment=environments.pop() if len(environments) == 1 else "",
        volumes=tuple(sorted(volumes)),
        safe=_BACKUP,
    )


def _around(call: Call, scene: Scene, data: tuple[str, ...], workdir: str = "/") -> Surroundings:
    """A program's surroundings. Compose attaches its input by default, docker only on request."""
    if call.compose:
        attached = "interactive" not in call.options or call.on("interactive")
        terminal = scene.stdin is Stdin.TERMINAL and not call.on("no-tty")
    else:
        attached = call.on("interactive")
        terminal = attached and call.on("tty") and scene.stdin is Stdin.TERMINAL
    given = attached and scene.stdin is not Stdin.NOTHING and not terminal
    return Surroundings(data, terminal=attached and terminal, input=given, workdir=workdir or "/")


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`attach`."""
    container = scene.engine.container(call.operands[0]) if call.operands else None
    if container:
        yield from attached_input(container, scene, given=not call.on("no-stdin"))


def attached_input(container: Container, scene: Scene, *, given: bool) -> Iterator[DataEffect]:
    """Input to a container's main program; a container that was started without stdin gets none."""
    if not given or not container.reads_input or scene.stdin is Stdin.NOTHING:
        return
    data = data_targets(scene.data(container.process))
    near = [container] if data else _reached(container, scene)
    person = scene.stdin is Stdin.TERMINAL
    around = Surroundings(data, terminal=person, input=not person, workdir=container.workdir)
    yield from _told(
        programs.effect(_argv(container.process), around), container.name, near, scene, known=bool(near)
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
    yield from (copying.on_host(target, scene) for target in call.all("output"))
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


def _argv(process: Process) -> tuple[str, ...]:
    return (*process.entrypoint, *process.command)
