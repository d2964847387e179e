"""The effects of commands on single containers: run, create, start, exec, attach."""

from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.inside.effects import (
    Effect,
    Finding,
    Surroundings,
    interactive,
    names,
    uncertain,
    worst,
)
from ledgerflow_ops.guard.model import Container, Mount, Stdin
from ledgerflow_ops.guard.rules.mounted_data import exposed, runs_server, serves_own_data, started
from ledgerflow_ops.guard.rules.removals import named

BACKUP = Hint(
    make("backup"),
    " keeps what is there now. Put this before a command, to see what it would do: ",
    command("ledger_docker", "--explain"),
)
ALONE = Surroundings((), terminal=False, input=False)
_TYPED = Surroundings((), terminal=True, input=True)
_HARMLESS_VARIABLES = names(
    """
    PGPASSWORD PGUSER PGHOST PGPORT PGDATABASE PGAPPNAME PGCONNECT_TIMEOUT PGSSLMODE LANG TZ TERM
    COLUMNS LINES NO_COLOR CI DEBUG LOG_LEVEL DJANGO_SETTINGS_MODULE DJANGO_DEBUG LEDGER_ENV
    PYTHONUNBUFFERED
    """
)


def new_container(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`run` and `create`."""
    process = mounts.of_call(call, scene)
    who, data = f"a container of {process.image or 'an image'}", scene.data(process)
    server = runs_server(process) and serves_own_data(process, scene)
    yield from exposed(who, process, scene, allowed=server)
    yield from started(who, process, scene, over=process.mounts)
    named = (*process.command, *call.all("env"), *call.all("add-host"), *call.all("link"))
    labels = dict(text.partition("=")[::2] for text in call.all("label"))
    near = scene.reached(frozenset(call.all("network")), labels, named)
    argv = (*process.entrypoint, *process.command) or (process.image,)
    if not runs_server(process):
        yield from program(argv, who, near, around(call, scene, data), scene, call)
    if call.last("health-cmd"):
        check = ("sh", "-c", call.last("health-cmd"))
        yield from program(check, who, near, around(call, scene, data), scene, own=data)


def started_again(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`start` and `restart` of existing containers, docker's and Compose's."""
    for container in named(call, scene, call.operands):
        yield from _started_again(container, scene)
        if call.verb == "start" and (call.on("interactive") or call.on("attach")):
            yield from _attached(container, scene, given=call.on("interactive"))


def _started_again(container: Container, scene: Scene) -> Iterator[DataEffect]:
    """The start of an existing container, which may have been created without being judged."""
    process = container.process
    if container.running:
        return
    server = runs_server(process) and serves_own_data(process, scene)
    yield from exposed(container.name, process, scene, allowed=server)
    yield from started(container.name, process, scene)
    if not server and not scene.environment_of(container.labels):  # an environment's own start every day
        near = [other for other in reached(container, scene) if other.id != container.id]
        yield from program((*process.entrypoint, *process.command), container.name, near, ALONE, scene)


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`exec` and `compose exec`."""
    argv = call.operands[1:]
    for container in named(call, scene, call.operands[:1]):
        if call.on("privileged") and scene.protected:
            what = f"it runs a program in {container.name} that is not confined to the container"
            yield destroys(f"{what}: it could reach every volume", scene.environment_of(container.labels))
        near = reached(container, scene, (*argv, *call.all("env")))
        folder = call.last("workdir") or container.workdir
        where = around(call, scene, scene.data(container.process), folder)
        yield from program(argv, container.name, near, where, scene, call)


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`attach` and `compose attach`."""
    for container in named(call, scene, call.operands[:1]):
        yield from _attached(container, scene, given=not call.on("no-stdin"))


def _attached(container: Container, scene: Scene, *, given: bool) -> Iterator[DataEffect]:
    """Input to a container's main program; a container that was started without stdin gets none."""
    if given and container.reads_input and scene.stdin is not Stdin.NOTHING:
        name = " ".join((*container.process.entrypoint, *container.process.command)[:1]) or "its program"
        found = interactive(name, _TYPED)
        yield from on_databases(found, f"in {container.name} it", reached(container, scene), scene)


def reached(container: Container, scene: Scene, words: tuple[str, ...] = ()) -> list[Container]:
    """The protected databases that a program in it can change: its own, or those that it can speak to."""
    if scene.data(container.process):
        return [container]
    return scene.reached(container.networks, container.labels, words)


def around(call: Call, scene: Scene, data: Iterable[Mount], workdir: str = "") -> Surroundings:
    """A program's surroundings. Compose attaches its input by default, docker only on request."""
    attached = call.on("interactive") or (call.compose and "interactive" not in call.options)
    person = scene.stdin is Stdin.TERMINAL and (not call.on("no-tty") if call.compose else call.on("tty"))
    given = attached and scene.stdin is not Stdin.NOTHING
    return Surroundings(data_targets(data), given and person, given and not person, workdir or "/")


def program(
    argv: tuple[str, ...],
    who: str,
    near: list[Container],
    where: Surroundings,
    scene: Scene,
    call: Call | None = None,
    own: Iterable[Mount] = (),
) -> Iterator[DataEffect]:
    """The effect of a program on the databases `near` it, or on its `own` data; none if there are none."""
    own = tuple(own)
    if near or own:
        from ledgerflow_ops.guard.inside import programs  # slow to import, and rarely needed

        found = worst([programs.effect(argv, where), *(_variables(call) if call else ())], "")
        yield from on_databases(found, f"in {who} it", near, scene, own)


def on_databases(
    finding: Finding, who: str, near: list[Container], scene: Scene, own: Iterable[Mount] = ()
) -> Iterator[DataEffect]:
    """A finding as an effect on these databases, each environment by itself."""
    volumes: dict[str, set[str]] = {}
    for container in near:
        held = {mount.source for mount in scene.data(container.process) if mount.kind == "volume"}
        volumes.setdefault(scene.environment_of(container.labels), set()).update(held)
    for mount in own if not near else ():
        volumes.setdefault(scene.environment_of_volume(mount.source), set()).add(mount.source)
    for environment, touched in sorted(volumes.items()) if finding.effect is not Effect.READS else ():
        yield DataEffect(finding.effect, f"{who} {finding.why}", environment, tuple(sorted(touched)), BACKUP)


def _variables(call: Call) -> Iterator[Finding]:
    """The variables that a program is given, some of which redirect it."""
    for name in (text.partition("=")[0] for text in call.all("env")):
        if name not in _HARMLESS_VARIABLES:
            yield uncertain(f"is given {name}, which can change what runs")
    if call.all("env-file") or call.all("env-from-file"):
        yield uncertain("is given variables from a file")


def volume_made(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume create` with a protected folder as its data."""
    for value in host_places(mounts.driver_options(call)):
        for folder, reason in scene.folders.items():
            if scene.reaches(value, folder):
                through = f"({folder}: {reason}), through which containers could write there"
                safe = Hint("Mount a folder that holds nothing else.")
                yield destroys(f"it creates a volume of {value} {through}", "", (), safe)


def network_joined(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`network connect`: what runs in the container then speaks to the databases of that network."""
    if len(call.operands) == 2 and (container := scene.engine.container(call.operands[1])):
        near = scene.reached(frozenset(call.operands[:1]), {})
        if near and container not in near and not scene.environment_of(container.labels):
            found = interactive(container.name, _TYPED)
            yield from on_databases(found, "it connects a container and", near, scene)


def context_changed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`context use` and `context update`: later commands would go to another engine."""
    name = call.operands[0] if call.operands else ""
    moves = scene.elsewhere.get(name, False) or (call.verb == "context update" and bool(call.last("docker")))
    if moves and scene.protected:
        instead = command("docker", "--context", name or "NAME")
        safe = Hint("Begin each command that is meant for it with: ", instead)
        yield destroys(f"it directs all later commands to another engine ({name})", "", (), safe)
