"""Which containers may mount protected data: judged by their mounts and by what they run.

A PostgreSQL may mount its own data folder; nothing else that could write there may. Two servers destroy one
data folder: its lock file has no effect across containers.
"""

import posixpath
from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys, on_volume
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.inside.effects import Effect, Surroundings
from ledgerflow_ops.guard.model import Container, Mount, Process

_READ_ONLY = Hint("Mount it read-only: append :ro to the mount. ", make("backup"), " copies the data safely.")
_PROCESSES = {"/proc": "every container's files can be written through it"}
_ALONE = Surroundings(("/",), terminal=False, input=False)
_SERVERS = ("postgres", "postgis", "timescaledb", "pgvector", "postgresql", "ledgerflow-postgres")


def started(
    who: str, process: Process, scene: Scene, mine: Iterable[Container] = (), over: Iterable[Mount] = ()
) -> Iterator[DataEffect]:
    """What a container that starts could do by its mounts; `mine` are those that it replaces.

    `over` are its new mounts, which could hide a part of the data.
    """
    yield from second_server(who, process, scene, frozenset(container.id for container in mine))
    for mount in over:
        homes = (own for own in scene.data(process) if own.target != mount.target)
        home = next((own for own in homes if within(mount.target, own.target)), None)
        if home and not (mount.kind == "bind" and mount.target.endswith(".conf")):  # a settings file
            what = f"it gives {who} {mount.source or mount.kind} at {mount.target}, over the content of "
            safe = Hint("Mount it beside the data, not in them.")
            yield on_volume(f"{what}{home.source}", home, scene, safe)


def exposed(who: str, process: Process, scene: Scene, *, allowed: bool) -> Iterator[DataEffect]:
    """The protected data that a started container could write; `allowed` for PostgreSQL on its own data."""
    protected = scene.protected
    if process.unbound:
        safe = Hint("Start it without that; name the one folder it needs as a mount.")
        yield destroys(
            f"{who} is not confined ({process.unbound}) and could reach every volume", "", (), safe
        )
    for mount in process.mounts:
        if mount.kind == "volume" and mount.source in protected and mount.writable and not allowed:
            could = f"which could write anything there ({protected[mount.source]})"
            what = f"it mounts the volume {mount.source} in {who}, {could}"
            yield on_volume(what, mount, scene, _READ_ONLY)
        if mount.kind == "bind":
            yield from _folders(who, mount, process, scene, allowed=allowed)


def _folders(
    who: str, mount: Mount, process: Process, scene: Scene, *, allowed: bool
) -> Iterator[DataEffect]:
    for folder, reason in {**scene.folders, **_PROCESSES}.items():
        socket = folder in scene.sockets() or folder in _PROCESSES
        writable = mount.writable or scene.beneath(mount.source, folder)
        if not scene.reaches(mount.source, folder) or not (writable or socket):
            continue
        if _far_above(scene.links.get(mount.source, mount.source), folder) and _only_reads(process):
            continue
        own = folder not in scene.off_limits() and not socket
        if not (allowed and own and mount.is_data(process.pgdata)):
            what = f"it mounts {mount.source} of the host in {who} ({folder}: {reason})"
            yield destroys(what, "", (), _READ_ONLY)


def _only_reads(process: Process) -> bool:
    from ledgerflow_ops.guard.inside import programs  # slow to import, and rarely needed

    words = (*process.entrypoint, *process.command)
    return bool(process.command) and programs.effect(words, _ALONE).effect is Effect.READS


def _far_above(path: str, folder: str) -> bool:
    """Whether a path holds a folder two steps or more below it, as `/tmp` holds `/tmp/engine/data`.

    Mounting it for a program that only reads is no mistake that loses the data; mounting the data themselves
    is one that the next program repeats.
    """
    return within(folder, path) and not within(path, posixpath.dirname(posixpath.normpath(folder)))


def runs_server(process: Process) -> bool:
    """Whether the container runs PostgreSQL's server and nothing else.

    It must use the image's own entrypoint, have a known image name or program, and no settings that run
    programs or move data.
    """
    if process.entrypoint and process.entrypoint[0].rpartition("/")[2] != "docker-entrypoint.sh":
        return False
    words = (*process.entrypoint[1:], *process.command)
    name = process.image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    first = words[0].rpartition("/")[2] if words else ""
    starts = first == "postgres" or (name in _SERVERS and (not first or first.startswith("-")))
    if not (starts and (name in _SERVERS or process.entrypoint)):
        return False
    from ledgerflow_ops.guard.inside import programs

    found = programs.server(words if first.startswith("-") else words[1:], _ALONE)
    return found.effect is Effect.READS


def serves_own_data(process: Process, scene: Scene) -> bool:
    """Whether all its protected mounts are at PostgreSQL's data folder."""
    return all(mount.is_data(process.pgdata) for mount in scene.data(process))


def second_server(
    who: str, process: Process, scene: Scene, besides: frozenset[str] = frozenset()
) -> Iterator[DataEffect]:
    """Another running container on the same data; `besides` are the ids of those that this one replaces."""
    for mount in scene.data(process):
        for container in scene.engine.containers:
            if container.running and container.id not in besides and _shares(container, mount):
                on = f"on the data of {container.name}, which is running: two servers destroy one data folder"
                safe = Hint("Stop it first: ", command("docker", "stop", container.name))
                yield on_volume(
                    f"it starts {who} {on}", mount, scene, safe, scene.environment_of(container.labels)
                )


def _shares(container: Container, mount: Mount) -> bool:
    return any(
        other.kind == mount.kind
        and other.writable
        and (other.kind == "volume" or other.is_data(container.process.pgdata))
        and (other.source == mount.source if mount.kind == "volume" else overlap(other.source, mount.source))
        for other in container.process.mounts
    )
