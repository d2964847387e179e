"""What a copy would write, into a container or onto the host, and files written beside what is asked for."""

import posixpath
from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import Touch, destroys
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import Container

_COPY = Hint(make("backup"), " and ", make("restore-test"), " work on the data without touching it.")


def copied(call: Call, scene: Scene) -> Iterator[Touch]:
    """`cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = place(target)
    one = scene.engine.container(name) if name else None
    if one:
        yield from copied_into(one, path, scene, source)
    elif place(source)[0] and target != "-":
        yield from written(target, scene, copied=place(source)[1] or "/")


def copied_into(one: Container, path: str, scene: Scene, source: str) -> Iterator[Touch]:
    """Files that would come into a container's protected folders, by their own names or through links.

    What comes through standard input may bring links of its own, and be written through them.
    """
    target = in_container(path)
    real = scene.inside.get((one.id, target), target)
    for mount in scene.data(one.process):
        home = scene.inside.get((one.id, mount.target)) or mount.target
        if source == "-":
            how = f"what comes through standard input may be written to {mount.target} of {one.name}"
        elif not real:
            how = f"where {target} of {one.name} leads cannot be told: it may be {mount.target}"
        elif any(overlap(place, home) for place in (target, real)) or overlap(target, mount.target):
            how = f"it writes into {mount.target} of {one.name}"
        else:
            continue
        yield destroys(
            f"{how}, below a running or resting PostgreSQL",
            environment=scene.environment_of(one.labels),
            volumes=(mount.source,) if mount.kind == "volume" else (),
            safe=_COPY,
        )


def in_container(path: str) -> str:
    """A path in a container as docker reads it: from the root, without `..`."""
    return posixpath.normpath("/" + path.lstrip("/"))


def paths_inside(call: Call, scene: Scene) -> Iterator[tuple[Container, str]]:
    """Every path in a container that a verdict hangs on: links may lead from it to what is protected."""
    if call.verb not in ("cp", "compose cp") or len(call.operands) != 2:
        return
    name, path = place(call.operands[1])
    if not name:
        return
    one = scene.engine.container(name)
    found = scene.engine.of(scene.project_name, [name]) if call.compose else filter(None, [one])
    for holder in found:
        data = data_targets(scene.data(holder.process))
        yield from ((holder, target) for target in (in_container(path), *data) if data)


def output(call: Call, scene: Scene) -> Iterator[Touch]:
    """`-o FILE` of export, save and config, and what a build writes beside its image."""
    for target in call.all("output"):
        yield from written(target, scene)


def written(target: str, scene: Scene, copied: str = "") -> Iterator[Touch]:
    """A file or folder of the host that would be written; `copied` goes into it where it is a folder."""
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
    """The path of a file that is written, as typed: where a link stands before `..`, both count."""
    return posixpath.join(scene.folder, target)


def _lands(source: str, places: tuple[str, str], folder: str) -> bool:
    """Whether a copy of a container's `source` into the folder at `places` falls on a protected one."""
    name = posixpath.basename(posixpath.normpath(source))
    whole = source.endswith("/.") or name in ("", ".", "..")
    return any(
        within(folder, place) and (whole or overlap(posixpath.join(place, name), folder)) for place in places
    )
