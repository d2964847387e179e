"""Which containers may mount protected data: judged by their mounts and by what they run.

A PostgreSQL may mount its own data folder; nothing else that could write there may. Two servers destroy one
data folder: its lock file has no effect across containers.
"""

import posixpath
from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, Effect, Surroundings, destroys, on_volume
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import Container, Mount, Process

_READ_ONLY = Hint("Mount it read-only: append :ro to the mount. ", make("backup"), " copies the data safely.")
_PROCESSES = {"/proc": "every container's files can be written through it"}
_SERVERS = ("postgres", "postgis", "timescaledb", "pgvector", "postgresql", "ledgerflow-postgres")


def started(
    who: str, process: Process, scene: Scene, *, server: bool, asked: Process | None = None,
    mine: Iterable[Container] = (), over: Iterable[Mount] = (),
) -> Iterator[DataEffect]:  # fmt: skip
    """What a container that starts could do by its mounts; `server` for PostgreSQL on its own data.

    `asked` is what is new about it, if not all is; `mine` are the containers that it replaces; `over` are
    its new mounts, which could hide a part of the data.
    """
    yield from _exposed(who, asked or process, scene, server=server)
    if server:
        yield from _second_server(who, process, scene, {container.id for container in mine})
    for mount in over:
        homes = (own for own in scene.data(process) if own.target != mount.target)
        home = next((own for own in homes if within(mount.target, own.target)), None)
        if home and not (mount.kind == "bind" and mount.target.endswith(".conf")):  # a settings file
            what = f"it gives {who} {mount.source or mount.kind} at {mount.target}, over the content of "
            safe = Hint("Mount it beside the data, not in them.")
            yield on_volume(f"{what}{home.source}", home, scene, safe)


def _exposed(who: str, process: Process, scene: Scene, *, server: bool) -> Iterator[DataEffect]:
    """The protected data that a started container could write."""
    if process.unbound:
        safe = Hint("Start it without that; name the one folder it needs as a mount.")
        what = f"{who} is not confined ({process.unbound}) and could reach every volume"
        yield destroys(what, safe=safe)
    for mount in process.mounts:
        if mount.kind == "volume" and mount.source in scene.protected and mount.writable and not server:
            could = f"which could write anything there ({scene.protected[mount.source]})"
            what = f"it mounts the volume {mount.source} in {who}, {could}"
            yield on_volume(what, mount, scene, _READ_ONLY)
        for folder, reason in {**scene.folders, **_PROCESSES}.items() if mount.kind == "bind" else ():
            if _hands_out(mount, folder, process, scene, server=server):
                what = f"it mounts {mount.source} of the host in {who} ({folder}: {reason})"
                yield destroys(what, safe=_READ_ONLY)


def _hands_out(mount: Mount, folder: str, process: Process, scene: Scene, *, server: bool) -> bool:
    """Whether a bind lets a container write into a protected folder, or use one that is a socket.

    Far above it, as `/tmp` is above `/tmp/engine/data`, it may be mounted for a program that only reads: that
    is no mistake that loses the data; mounting the data themselves is one that the next program repeats.
    """
    if not scene.reaches(mount.source, folder):
        return False
    socket = folder in scene.sockets() or folder in _PROCESSES
    own = folder not in scene.off_limits() and not socket and mount.is_data(process.pgdata)
    path, above = scene.links.get(mount.source, mount.source), posixpath.dirname(posixpath.normpath(folder))
    far = within(folder, path) and not within(path, above)
    writable = mount.writable or scene.beneath(mount.source, folder)
    return (writable or socket) and not (server and own) and not (far and _only_reads(process))


def _only_reads(process: Process) -> bool:
    from ledgerflow_ops.guard.inside import programs  # slow to import, and rarely needed

    words = (*process.entrypoint, *process.command)
    return bool(process.command) and programs.effect(words, Surroundings(("/",))).effect is Effect.READS


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

    return programs.server(words if first.startswith("-") else words[1:]).effect is Effect.READS


def serves_own_data(process: Process, scene: Scene) -> bool:
    """Whether all its protected mounts are at PostgreSQL's data folder."""
    return all(mount.is_data(process.pgdata) for mount in scene.data(process))


def _second_server(who: str, process: Process, scene: Scene, besides: set[str]) -> Iterator[DataEffect]:
    """Another running container on the same data; `besides` are the ids of those that this one replaces."""
    for mount in scene.data(process):
        for container in scene.engine.containers:
            if container.running and container.id not in besides and _shares(container, mount):
                on = f"on the data of {container.name}, which is running: two servers destroy one data folder"
                safe = Hint("Stop it first: ", command("docker", "stop", container.name))
                whose = scene.environment_of(container.labels)
                yield on_volume(f"it starts {who} {on}", mount, scene, safe, whose)


def _shares(container: Container, mount: Mount) -> bool:
    return any(
        other.kind == mount.kind
        and other.writable
        and (other.kind == "volume" or other.is_data(container.process.pgdata))
        and (other.source == mount.source if mount.kind == "volume" else overlap(other.source, mount.source))
        for other in container.process.mounts
    )
