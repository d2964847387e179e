"""What a copy would write into a container or onto the host, and the output files of other commands."""

import posixpath
from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys, uncertain
from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import Container

_COPY = Hint(make("backup"), " and ", make("restore-test"), " use the data without changing them.")


def copied(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`cp` and `compose cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    name, path = place(target.removeprefix("/") if _slashed(target, scene) else target)
    one = None if call.compose else scene.engine.container(name)
    into = scene.engine.of(scene.project_name, [name]) if call.compose and name else [one] if one else []
    for container in into:
        yield from copied_into(container, path, scene, source)
    if not name and place(source)[0] and target != "-":
        yield from written(target, scene, copied=place(source)[1] or "/")


def _slashed(target: str, scene: Scene) -> bool:
    """Whether it is `/CONTAINER:/path`, a container's name as the engine prints it."""
    return scene.engine.container(target.partition(":")[0].removeprefix("/")) is not None and ":" in target


def copied_into(container: Container, path: str, scene: Scene, source: str) -> Iterator[DataEffect]:
    """Files that would be copied into a container with protected folders.

    Elsewhere in it they may be led there by a link, and so may an archive from standard input.
    """
    target = posixpath.normpath("/" + path.lstrip("/"))
    for mount in scene.data(container.process):
        into = source != "-" and overlap(target, mount.target)
        act, how = (
            (destroys, "writes into")
            if into
            else (uncertain, f"copies to {target}, where a link may lead to")
        )
        yield act(
            f"it {how} {mount.target} of {container.name}, under a running or stopped PostgreSQL",
            environment=scene.environment_of(container.labels),
            volumes=(mount.source,) if mount.kind == "volume" else (),
            safe=_COPY,
        )


def output(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`-o FILE` of export, save, config, build and bake."""
    for target in (*call.all("output"), *scene.outputs):
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
