"""Which containers may mount protected data: judged by their mounts and by what they run.

A PostgreSQL may mount its own data folder; nothing else that could write there may. Two servers destroy one
data folder: its lock file has no effect across containers.
"""

import posixpath
from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Effect, Surroundings
from ledgerflow_ops.guard.model import Container, Mount, Process

_READ_ONLY = Hint("Mount it read-only: append :ro to the mount. ", make("backup"), " copies the data safely.")
_PROCESSES = {"/proc": "every container's files can be written through it"}
_ALONE = Surroundings(("/",), terminal=False, input=False)
_SERVERS = ("postgres", "postgis", "timescaledb", "pgvector", "postgresql", "ledgerflow-postgres")


def exposed_data(who: str, process: Process, scene: Scene, *, allowed: bool) -> Iterator[DataEffect]:
    """The protected data that a started container could write; `allowed` for PostgreSQL on its own data."""
    protected = scene.protected
    for name in scene.unfinished(process):
        yield destroys(
            f"it starts {who} on the volume {name} while its data are being moved",
            environment=scene.environment_of_volume(name),
            volumes=(name,),
            safe=Hint("Finish that first: ", make("protect")),
        )
    if process.unbound:
        yield destroys(
            f"{who} is not confined ({process.unbound}) and could reach every volume",
            safe=Hint("Start it without that; name the one folder it needs as a mount."),
        )
    for mount in process.mounts:
        if mount.kind == "volume" and mount.source in protected and mount.writable and not allowed:
            yield destroys(
                f"it mounts the volume {mount.source} in {who}, which could write anything there "
                f"({protected[mount.source]})",
                environment=scene.environment_of_volume(mount.source),
                volumes=(mount.source,),
                safe=_READ_ONLY,
            )
        if mount.kind == "bind":
            yield from _folders(who, mount, process, scene, allowed=allowed)


def _folders(
    who: str, mount: Mount, process: Process, scene: Scene, *, allowed: bool
) -> Iterator[DataEffect]:
    harmless = programs.effect((*process.entrypoint, *process.command), _ALONE).effect is Effect.READS
    for folder, reason in {**scene.folders, **_PROCESSES}.items():
        socket = folder in scene.sockets() or folder in _PROCESSES
        writable = mount.writable or scene.beneath(mount.source, folder)
        if not scene.reaches(mount.source, folder) or not (writable or socket):
            continue
        if harmless and process.command and far_above(scene.links.get(mount.source, mount.source), folder):
            continue
        own = folder not in scene.off_limits() and not socket
        if not (allowed and own and mount.is_data(process.pgdata)):
            yield destroys(
                f"it mounts {mount.source} of the host in {who} ({folder}: {reason})", safe=_READ_ONLY
            )


def far_above(path: str, folder: str) -> bool:
    """Whether a path holds a folder two steps or more below it, as `/tmp` holds `/tmp/engine/data`.

    Mounting it for a program that only reads is no mistake that loses the data; mounting the data themselves
    is one that the next program repeats.
    """
    return within(folder, path) and not within(path, posixpath.dirname(posixpath.normpath(folder)))


def overlaid_data(who: str, process: Process, fresh: Iterable[Mount], scene: Scene) -> Iterator[DataEffect]:
    """Another mount inside the data folder, which would hide a part of the data from the server.

    A mounted settings file (….conf) is allowed.
    """
    data = scene.data(process)
    for mount in fresh:
        home = next(
            (own for own in data if own.target != mount.target and _lies(mount, own)),
            None,
        )
        if home and not (mount.kind == "bind" and mount.target.endswith(".conf")):
            over = f"over the content of {home.source}"
            yield destroys(
                f"it gives {who} {mount.source or mount.kind} at {mount.target}, {over}",
                environment=scene.environment_of_volume(home.source) if home.kind == "volume" else "",
                volumes=(home.source,) if home.kind == "volume" else (),
                safe=Hint("Mount it beside the data, not in them."),
            )


def _lies(mount: Mount, home: Mount) -> bool:
    return within(mount.target, home.target)


def runs_server(process: Process) -> bool:
    """Whether the container runs PostgreSQL's server and nothing else.

    It must use the image's own entrypoint, have a known image name or program, and no settings that run
    programs or move data.
    """
    if process.entrypoint and process.entrypoint[0].rpartition("/")[2] != "docker-entrypoint.sh":
        return False
    command = (*process.entrypoint[1:], *process.command)
    name = process.image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    first = command[0].rpartition("/")[2] if command else ""
    starts = first == "postgres" or (name in _SERVERS and (not first or first.startswith("-")))
    settings = command if first.startswith("-") else command[1:]
    found = programs.server(settings, _ALONE)
    return starts and (name in _SERVERS or bool(process.entrypoint)) and found.effect is Effect.READS


def mounts_only_own_data(process: Process, scene: Scene) -> bool:
    """Whether all its protected mounts are at PostgreSQL's data folder."""
    return all(mount.is_data(process.pgdata) for mount in scene.data(process))


def second_server(
    who: str, process: Process, scene: Scene, besides: frozenset[str] = frozenset()
) -> Iterator[DataEffect]:
    """Another running container on the same data; `besides` are the ids of those that this one replaces."""
    for mount in scene.data(process):
        for container in scene.engine.containers:
            if container.running and container.id not in besides and _shares(container, mount):
                yield destroys(
                    f"it starts {who} on the data of {container.name}, which is running: two servers destroy "
                    "one data folder",
                    environment=scene.environment_of(container.labels),
                    volumes=(mount.source,) if mount.kind == "volume" else (),
                    safe=Hint("Stop it first: ", command("docker", "stop", container.name)),
                )


def _shares(container: Container, mount: Mount) -> bool:
    return any(
        other.kind == mount.kind
        and other.writable
        and (other.kind == "volume" or other.is_data(container.process.pgdata))
        and (other.source == mount.source if mount.kind == "volume" else overlap(other.source, mount.source))
        for other in container.process.mounts
    )
