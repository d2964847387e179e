"""What single containers would do: run, create, start, exec, attach."""

from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import Touch, changes, destroys
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Around, Effect, Finding, unread, worst
from ledgerflow_ops.guard.inside.environment import variable
from ledgerflow_ops.guard.model import Container, Process, Stdin
from ledgerflow_ops.guard.rules import copying
from ledgerflow_ops.guard.rules.mounted_data import at_home, handed_out, overlaid, runs_server, second_server

_BACKUP = Hint(
    "Take a backup before: ", make("backup"), "; then look at what it would do: ledger_docker --explain …"
)


def in_service(call: Call, process: Process, who: str, scene: Scene) -> Iterator[Touch]:
    """A one-off container of a compose service, with a program of its own."""
    data = data_targets(scene.data(process))
    environment = scene.environment()
    near = [one for one in _databases(scene) if environment == scene.environment_of(one.labels)]
    around = _around(call, scene, data, call.last("workdir"))
    found = worst([programs.effect(_argv(process), around), *_variables(call, around)], "")
    yield from _told(found, who, near, scene, known=bool(near or data))


def new_container(call: Call, scene: Scene) -> Iterator[Touch]:
    """`run` and `create`."""
    process = mounts.of_call(call, scene)
    who = f"a container of {process.image or 'an image'}"
    server = runs_server(process) and at_home(process, scene)
    yield from handed_out(who, process, scene, allowed=server)
    yield from second_server(who, process, scene)
    yield from overlaid(who, process, process.mounts, scene)
    yield from _well(call, process, who, scene)
    if not server:
        near = _near(call, scene)
        around = _around(call, scene, data=())
        yield from _told(programs.effect(_argv(process), around), who, near, scene, known=bool(near))


def _well(call: Call, process: Process, who: str, scene: Scene) -> Iterator[Touch]:
    """The program that asks again and again whether the container is well."""
    if call.last("health-cmd"):
        data = data_targets(scene.data(process))
        found = programs.effect(("sh", "-c", call.last("health-cmd")), _around(call, scene, data))
        if found.effect == Effect.DESTROYS:
            yield destroys(f"the health check of {who} {found.why}", safe=_BACKUP)


def _near(call: Call, scene: Scene) -> list[Container]:
    """The protected databases that a new container could reach by the networks it is given."""
    names = {name.removeprefix("container:") for name in call.all("network")}
    return [one for one in _databases(scene) if names & {*one.networks, one.name, one.id, "host"}]


def _databases(scene: Scene) -> list[Container]:
    return [one for one in scene.engine.containers if scene.data(one.process)]


def started(call: Call, scene: Scene) -> Iterator[Touch]:
    """`start` and `restart` of containers that are there."""
    for name in call.operands:
        one = scene.engine.container(name)
        if one:
            yield from container_started(one, scene)
            if call.verb == "start" and (call.on("interactive") or call.on("attach")):
                yield from listening(one, scene, given=call.on("interactive"))


def container_started(one: Container, scene: Scene) -> Iterator[Touch]:
    """Starting a container that exists: it was judged when it was made only if we were there."""
    if one.running:
        return
    server = runs_server(one.process) and at_home(one.process, scene)
    yield from handed_out(one.name, one.process, scene, allowed=server)
    yield from second_server(one.name, one.process, scene)


def executed(call: Call, scene: Scene) -> Iterator[Touch]:
    """`exec`."""
    if not call.operands:
        return
    one = scene.engine.container(call.operands[0])
    if one:
        yield from run_inside(call, one, call.operands[1:], scene)


def run_inside(call: Call, one: Container, argv: tuple[str, ...], scene: Scene) -> Iterator[Touch]:
    """A program in a container that is there, by docker or by Compose."""
    if call.on("privileged"):
        yield destroys(
            f"it runs a program in {one.name} that is not kept to the container: it could reach every volume",
            environment=scene.environment_of(one.labels),
        )
    data = data_targets(scene.data(one.process))
    near = [one] if data else _reached(one, scene)
    around = _around(call, scene, data, call.last("workdir") or one.workdir)
    if not near:  # what it reads cannot reach a database; what it is told may name one
        around = Around((), terminal=around.terminal, input=False, workdir=around.workdir)
    found = programs.effect(argv, around)
    if near:
        found = worst([found, *_variables(call, around)], "")
    yield from _told(found, one.name, near, scene, known=bool(near))


def _variables(call: Call, around: Around) -> Iterator[Finding]:
    """The variables that a program is given: some lead it elsewhere. One without a value is our own."""
    for text in call.all("env"):
        yield variable(text if "=" in text else f"{text}=?", around)
    for file in (*call.all("env-file"), *call.all("env-from-file")):
        yield unread(f"is given the variables in {file}, which are not read here")


def _reached(one: Container, scene: Scene) -> list[Container]:
    """The protected databases that this container reaches: of its project, or on a network they share."""
    environment = scene.environment_of(one.labels)
    return [
        other
        for other in _databases(scene)
        if (environment and scene.environment_of(other.labels) == environment)
        or (one.project and other.project == one.project)
        or (one.networks & other.networks - {"none"})
        or "host" in one.networks
    ]


def _told(finding: Finding, who: str, near: list[Container], scene: Scene, *, known: bool) -> Iterator[Touch]:
    """A finding as a touch. Where no database is near, only what is known to destroy counts."""
    if finding.effect == Effect.READS or (finding.effect == Effect.CHANGES and not known):
        return
    environments = {scene.environment_of(one.labels) for one in near}
    volumes = {mount.source for one in near for mount in scene.data(one.process) if mount.kind == "volume"}
    touch = destroys if finding.effect == Effect.DESTROYS else changes
    yield touch(
        f"in {who} it {finding.why}",
        environment=environments.pop() if len(environments) == 1 else "",
        volumes=tuple(sorted(volumes)),
        safe=_BACKUP,
    )


def _around(call: Call, scene: Scene, data: tuple[str, ...], workdir: str = "/") -> Around:
    """How the program is connected: Compose attaches its input unless told not to, docker when told to."""
    if call.compose:
        attached = "interactive" not in call.options or call.on("interactive")
        terminal = scene.stdin is Stdin.TERMINAL and not call.on("no-tty")
    else:
        attached = call.on("interactive")
        terminal = attached and call.on("tty") and scene.stdin is Stdin.TERMINAL
    given = attached and scene.stdin is not Stdin.NOTHING and not terminal
    return Around(data, terminal=attached and terminal, input=given, workdir=workdir or "/")


def attached(call: Call, scene: Scene) -> Iterator[Touch]:
    """`attach`."""
    one = scene.engine.container(call.operands[0]) if call.operands else None
    if one:
        yield from listening(one, scene, given=not call.on("no-stdin"))


def listening(one: Container, scene: Scene, *, given: bool) -> Iterator[Touch]:
    """Typing to what a container runs; one that was started without an input of its own hears nothing."""
    if not given or not one.reads_input or scene.stdin is Stdin.NOTHING:
        return
    data = data_targets(scene.data(one.process))
    near = [one] if data else _reached(one, scene)
    person = scene.stdin is Stdin.TERMINAL
    around = Around(data, terminal=person, input=not person, workdir=one.workdir)
    yield from _told(programs.effect(_argv(one.process), around), one.name, near, scene, known=bool(near))


def paths(call: Call, scene: Scene) -> Iterator[str]:
    """Every path of the host that a verdict hangs on: links may lead from it to what is protected."""
    mounted = [mounts.of_call(call, scene)] if call.verb in ("run", "create", "compose run") else []
    mounted += [one.process for one in scene.engine.containers]
    mounted += [service.process for service in scene.project.services] if scene.project else []
    yield from (mount.source for one in mounted for mount in one.mounts if mount.kind == "bind")
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


def volume_made(call: Call, scene: Scene) -> Iterator[Touch]:
    """`volume create`: one that is another name for a protected folder."""
    for value in host_places(dict(_option(text) for text in call.all("opt"))):
        for folder, reason in scene.folders.items():
            if scene.reaches(value, folder):
                yield destroys(
                    f"it makes a volume of {value} ({folder}: {reason}): whoever mounts it could write there",
                    safe=Hint("Mount a folder that holds nothing else."),
                )


def context_changed(call: Call, scene: Scene) -> Iterator[Touch]:
    """`context use` and `context update`: the next commands would go to another engine than the one seen."""
    name = call.operands[0] if call.operands else ""
    moves = scene.elsewhere.get(name, False) or (call.verb == "context update" and bool(call.last("docker")))
    if moves and scene.protected:
        yield destroys(
            f"it leads every command after this one to another engine ({name})",
            safe=Hint(f"Say it for one command only: docker --context {name} …"),
        )


def _argv(process: Process) -> tuple[str, ...]:
    return (*process.entrypoint, *process.command)
