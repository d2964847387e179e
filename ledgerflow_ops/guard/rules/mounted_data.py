"""Who may have protected data in hand: a container is judged by its mounts and by what it runs.

A PostgreSQL on its own data folder may; anything else that could write there may not. Two servers on one
data folder destroy it: in another container the lock file means nothing.
"""

from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Touch, destroys
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Around, Effect
from ledgerflow_ops.guard.model import Container, Mount, Process

_READ_ONLY = Hint(
    "Hand it out read-only: append :ro to the mount. ", make("backup"), " copies the data safely."
)
_PROCESSES = {"/proc": "there is a way from there into every container, for writing too"}
_SERVERS = ("postgres", "postgis", "timescaledb", "pgvector", "postgresql", "ledgerflow-postgres")


def handed_out(who: str, process: Process, scene: Scene, *, allowed: bool) -> Iterator[Touch]:
    """What a container that is started would get hold of. `allowed`: it is PostgreSQL on its own data."""
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
            f"{who} is not kept to itself ({process.unbound}) and could reach every volume",
            safe=Hint("Start it without that; name the one folder it needs as a mount."),
        )
    for mount in process.mounts:
        if mount.kind == "volume" and mount.source in protected and mount.writable and not allowed:
            yield destroys(
                f"it hands the volume {mount.source} to {who}, which could write anything there "
                f"({protected[mount.source]})",
                environment=scene.environment_of_volume(mount.source),
                volumes=(mount.source,),
                safe=_READ_ONLY,
            )
        if mount.kind == "bind":
            yield from _folders(who, mount, process, scene, allowed=allowed)


def _folders(who: str, mount: Mount, process: Process, scene: Scene, *, allowed: bool) -> Iterator[Touch]:
    for folder, reason in {**scene.folders, **_PROCESSES}.items():
        socket = folder in scene.sockets() or folder in _PROCESSES
        writable = mount.writable or scene.beneath(mount.source, folder)
        if not scene.reaches(mount.source, folder) or not (writable or socket):
            continue
        own = folder not in scene.off_limits() and not socket
        if not (allowed and own and mount.is_data(process.pgdata)):
            yield destroys(
                f"it hands {mount.source} of the host to {who} ({folder}: {reason})", safe=_READ_ONLY
            )


def overlaid(who: str, process: Process, fresh: Iterable[Mount], scene: Scene) -> Iterator[Touch]:
    """Something else laid over, or written into, a part of the data: the server would miss what was there.

    A file of settings may be.
    """
    data = scene.data(process)
    for mount in fresh:
        home = next((one for one in data if one.target != mount.target and _lies(mount, one)), None)
        if home and not (mount.kind == "bind" and mount.target.endswith(".conf")):
            over = f"over what {home.source} has there"
            yield destroys(
                f"it gives {who} {mount.source or mount.kind} at {mount.target}, {over}",
                environment=scene.environment_of_volume(home.source) if home.kind == "volume" else "",
                volumes=(home.source,) if home.kind == "volume" else (),
                safe=Hint("Mount it beside the data, not in them."),
            )


def _lies(mount: Mount, home: Mount) -> bool:
    return within(mount.target, home.target)


def runs_server(process: Process) -> bool:
    """Whether the container is PostgreSQL's server and nothing else.

    By the image's own entrypoint, under one of PostgreSQL's names or by its program, and with settings
    that run nothing and move nothing.
    """
    if process.entrypoint and process.entrypoint[0].rpartition("/")[2] != "docker-entrypoint.sh":
        return False
    command = (*process.entrypoint[1:], *process.command)
    name = process.image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    first = command[0].rpartition("/")[2] if command else ""
    starts = first == "postgres" or (name in _SERVERS and (not first or first.startswith("-")))
    argv = ("postgres", *command) if first.startswith("-") else command
    found = programs.effect(argv, Around((), terminal=False, input=False))
    return starts and (name in _SERVERS or bool(process.entrypoint)) and found.effect != Effect.DESTROYS


def at_home(process: Process, scene: Scene) -> bool:
    """Whether every protected mount of it is PostgreSQL's data folder."""
    return all(mount.is_data(process.pgdata) for mount in scene.data(process))


def second_server(
    who: str, process: Process, scene: Scene, besides: frozenset[str] = frozenset()
) -> Iterator[Touch]:
    """Another running container on the same data; `besides` are those that this one replaces."""
    for mount in scene.data(process):
        for one in scene.engine.containers:
            if one.running and one.id not in besides and _shares(one, mount):
                yield destroys(
                    f"it starts {who} on the data of {one.name}, which is running: two servers on one data "
                    "folder destroy it",
                    environment=scene.environment_of(one.labels),
                    volumes=(mount.source,) if mount.kind == "volume" else (),
                    safe=Hint("Stop it first: ", command("docker", "stop", one.name)),
                )


def _shares(one: Container, mount: Mount) -> bool:
    return any(
        other.kind == mount.kind
        and other.writable
        and (other.source == mount.source if mount.kind == "volume" else overlap(other.source, mount.source))
        for other in one.process.mounts
    )
