"""The effects of commands on single containers: run, create, start, exec, attach; and on what they reach."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line import mounts
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import (
    DataEffect,
    Effect,
    Surroundings,
    destroys,
    names,
    uncertain,
    worst,
)
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.model import Container, Mount, Stdin
from ledgerflow_ops.guard.rules.mounted_data import runs_server, serves_own_data, started
from ledgerflow_ops.guard.rules.removals import named

_BACKUP = Hint(
    make("backup"),
    " keeps what is there now. Put this before a command, to see what it would do: ",
    command("ledger_docker", "--explain"),
)
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
    yield from started(who, process, scene, server=server, over=process.mounts)
    named = (*process.command, *call.all("env"), *call.all("add-host"), *call.all("link"))
    labels = dict(text.partition("=")[::2] for text in call.all("label"))
    near = scene.reached(frozenset(call.all("network")), labels, named)
    if not runs_server(process):
        argv = (*process.entrypoint, *process.command) or (process.image,)
        yield from program(argv, who, near, data, scene, call)
    if check := call.last("health-cmd"):
        yield from program(("sh", "-c", check), who, near, data, scene, own=data)


def started_again(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`start` and `restart` of existing containers, which may have been created without being judged."""
    for container in named(call, scene, call.operands):
        process, who = container.process, container.name
        server = runs_server(process) and serves_own_data(process, scene)
        if not container.running:
            yield from started(who, process, scene, server=server)
        ours = bool(scene.environment_of(container.labels))  # an environment's own start every day
        if not (container.running or server or ours):
            near = [other for other in _reached(container, scene) if other.id != container.id]
            yield from program((*process.entrypoint, *process.command), who, near, (), scene)
        if call.verb == "start" and call.on("interactive"):
            yield from _attached(container, scene)


def executed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`exec` and `compose exec`."""
    argv = call.operands[1:]
    for container in named(call, scene, call.operands[:1]):
        if call.on("privileged") and scene.protected:
            what = f"it runs a program in {container.name} that is not confined to the container"
            yield destroys(f"{what}: it could reach every volume", scene.environment_of(container.labels))
        near = _reached(container, scene, (*argv, *call.all("env")))
        data = scene.data(container.process)
        yield from program(argv, container.name, near, data, scene, call, workdir=container.workdir)


def attached(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`attach` and `compose attach`."""
    for container in () if call.on("no-stdin") else named(call, scene, call.operands[:1]):
        yield from _attached(container, scene)


def _attached(container: Container, scene: Scene) -> Iterator[DataEffect]:
    """Input to a container's main program; a container that was started without stdin gets none."""
    if container.reads_input and scene.stdin is not Stdin.NOTHING:
        name = " ".join((*container.process.entrypoint, *container.process.command)[:1]) or "its program"
        opened = _TYPED.opening(name)
        yield from _on_databases(opened, f"in {container.name} it", _reached(container, scene), scene)


def _reached(container: Container, scene: Scene, words: tuple[str, ...] = ()) -> list[Container]:
    """The protected databases that a program in it can change: its own, or those that it can speak to."""
    if scene.data(container.process):
        return [container]
    return scene.reached(container.networks, container.labels, words)


def program(
    argv: tuple[str, ...], who: str, near: list[Container], data: Iterable[Mount], scene: Scene,
    call: Call | None = None, own: Iterable[Mount] = (), workdir: str = "/",
) -> Iterator[DataEffect]:  # fmt: skip
    """The effect of a program on the databases `near` it, or on its `own` data; none if there are none.

    `data` are the protected mounts in its container; `call` the one that gives it input and variables.
    """
    own = tuple(own)
    if near or own:
        from ledgerflow_ops.guard.inside import programs  # slow to import, and rarely needed

        where = Surroundings(tuple(mount.target for mount in data))
        found = programs.effect(argv, _with_input(where, call, workdir, scene) if call else where)
        yield from _on_databases(worst([found, *_variables(call)], ""), f"in {who} it", near, scene, own)


def _with_input(where: Surroundings, call: Call, workdir: str, scene: Scene) -> Surroundings:
    """Compose attaches a program's input by default, docker only on request."""
    attached = call.on("interactive") or (call.compose and "interactive" not in call.options)
    person = scene.stdin is Stdin.TERMINAL and (not call.on("no-tty") if call.compose else call.on("tty"))
    given = attached and scene.stdin is not Stdin.NOTHING
    return Surroundings(where.data, given and person, given and not person, call.last("workdir") or workdir)


def _on_databases(
    found: DataEffect, who: str, near: list[Container], scene: Scene, own: Iterable[Mount] = ()
) -> Iterator[DataEffect]:
    """A program's effect on these databases, each environment by itself."""
    volumes: dict[str, set[str]] = {}
    for container in near:
        held = {mount.source for mount in scene.data(container.process) if mount.kind == "volume"}
        volumes.setdefault(scene.environment_of(container.labels), set()).update(held)
    for mount in own if not near else ():
        volumes.setdefault(scene.environment_of_volume(mount.source), set()).add(mount.source)
    for environment, touched in sorted(volumes.items()) if found.effect is not Effect.READS else ():
        what, touches = f"{who} {found.what}", tuple(sorted(touched))
        yield replace(found, what=what, environment=environment, volumes=touches, safe=_BACKUP)


def _variables(call: Call | None) -> Iterator[DataEffect]:
    """The variables that a program is given, some of which redirect it."""
    for name in (text.partition("=")[0] for text in call.all("env")) if call else ():
        if name not in _HARMLESS_VARIABLES:
            yield uncertain(f"is given {name}, which can change what runs")
    if call and (call.all("env-file") or call.all("env-from-file")):
        yield uncertain("is given variables from a file")


def volume_made(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`volume create` with a protected folder as its data."""
    for value in host_places(mounts.driver_options(call)):
        for folder, reason in scene.folders.items():
            if scene.reaches(value, folder):
                through = f"({folder}: {reason}), through which containers could write there"
                safe = Hint("Mount a folder that holds nothing else.")
                yield destroys(f"it creates a volume of {value} {through}", safe=safe)


def network_joined(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`network connect`: what runs in the container then speaks to the databases of that network."""
    if len(call.operands) == 2 and (container := scene.engine.container(call.operands[1])):
        near = scene.reached(frozenset(call.operands[:1]), {})
        if near and container not in near and not scene.environment_of(container.labels):
            opened = _TYPED.opening(container.name)
            yield from _on_databases(opened, "it connects a container and", near, scene)


def context_changed(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`context use` and `context update`: later commands would go to another engine."""
    name = call.operands[0] if call.operands else ""
    moves = scene.elsewhere.get(name, False) or (call.verb == "context update" and bool(call.last("docker")))
    if moves and scene.protected:
        instead = command("docker", "--context", name or "NAME")
        safe = Hint("Begin each command that is meant for it with: ", instead)
        yield destroys(f"it directs all later commands to another engine ({name})", safe=safe)
