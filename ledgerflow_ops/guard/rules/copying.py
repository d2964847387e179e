"""What a copy would write into a container or onto the host, and the output files of other commands."""

import posixpath
from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect, destroys
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import Container

_COPY = Hint(make("backup"), " and ", make("restore-test"), " use the data without changing them.")


def copied(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = place(target)
    container = scene.engine.container(name) if name else None
    if container:
        yield from copied_into(container, path, scene, source)
    elif place(source)[0] and target != "-":
        yield from written(target, scene, copied=place(source)[1] or "/")


def copied_into(container: Container, path: str, scene: Scene, source: str) -> Iterator[DataEffect]:
    """Files that would be copied into a container's protected folders, directly or through links.

    An archive from standard input may contain links, and files that are written through them.
    """
    target = in_container(path)
    real = scene.inside.get((container.id, target), target)
    for mount in scene.data(container.process):
        home = scene.inside.get((container.id, mount.target)) or mount.target
        if source == "-":
            how = f"what comes through standard input may be written to {mount.target} of {container.name}"
        elif not real:
            how = f"where {target} of {container.name} leads cannot be determined: it may be {mount.target}"
        elif any(overlap(place, home) for place in (target, real)) or overlap(target, mount.target):
            how = f"it writes into {mount.target} of {container.name}"
        else:
            continue
        yield destroys(
            f"{how}, under a running or stopped PostgreSQL",
            environment=scene.environment_of(container.labels),
            volumes=(mount.source,) if mount.kind == "volume" else (),
            safe=_COPY,
        )


def in_container(path: str) -> str:
    """A path in a container as docker interprets it: from the root, without `..`."""
    return posixpath.normpath("/" + path.lstrip("/"))


def paths_inside(call: Call, scene: Scene) -> Iterator[tuple[Container, str]]:
    """Every path in a container that the verdict depends on, to be resolved."""
    if call.verb not in ("cp", "compose cp") or len(call.operands) != 2:
        return
    name, path = place(call.operands[1])
    if not name:
        return
    container = scene.engine.container(name)
    containers = scene.engine.of(scene.project_name, [name]) if call.compose else filter(None, [container])
    for holder in containers:
        data = data_targets(scene.data(holder.process))
        yield from ((holder, target) for target in (in_container(path), *data) if data)


def output(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`-o FILE` of export, save, config and build."""
    for target in call.all("output"):
        yield from written(target, scene)


def written(target: str, scene: Scene, copied: str = "") -> Iterator[DataEffect]:
    """A file or folder of the host that would be written; `copied` is placed inside if it is a folder."""
    path = on_host(target, scene)
    real = scene.links.get(path, path)
    for folder, reason in scene.folders.items():
        inside = within(path, folder) or within(real, folder)
        if inside or (copied and _lands(copied, (path, real), folder)):
            yield destroys(
                f"it writes to {posixpath.normpath(path)} ({folder}: {reason})",
                safe=Hint("Write it somewhere else."),
            )


def on_host(target: str, scene: Scene) -> str:
    """The path of a written file as typed, not normalized: a link before `..` matters."""
    return posixpath.join(scene.folder, target)


def _lands(source: str, places: tuple[str, str], folder: str) -> bool:
    """Whether a copy of a container's `source` into the folder at `places` would affect a protected one."""
    name = posixpath.basename(posixpath.normpath(source))
    whole = source.endswith("/.") or name in ("", ".", "..")
    return any(
        within(folder, place) and (whole or overlap(posixpath.join(place, name), folder)) for place in places
    )
