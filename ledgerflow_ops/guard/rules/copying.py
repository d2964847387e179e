"""What a copy would write into a container or onto the host, and the output files of other commands."""

import posixpath
from collections.abc import Iterator

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.command_line.parse import Call, place
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, destroys, on_volume
from ledgerflow_ops.guard.host_paths import overlap, within

_COPY = Hint(make("backup"), " and ", make("restore-test"), " use the data without changing them.")


def copied(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`cp` and `compose cp`, in both directions."""
    if len(call.operands) != 2:
        return
    source, target = call.operands
    bare = target.removeprefix("/")  # `/CONTAINER:/path`, a container's name as the engine prints it
    printed = ":" in bare and scene.engine.container(bare.partition(":")[0])
    name, path = place(bare if printed else target)
    into = scene.engine.of(scene.project_name, [name]) if name else []
    for container in into if call.compose else filter(None, [scene.engine.container(name)]):
        inner = posixpath.normpath("/" + path.lstrip("/"))
        for mount in scene.data(container.process):
            # Elsewhere in it a link may lead into the data, and so may an archive from standard input.
            known = source != "-" and overlap(inner, mount.target)
            how = "writes into" if known else f"copies to {inner}, where a link may lead to"
            what = f"it {how} {mount.target} of {container.name}, under a running or stopped PostgreSQL"
            yield on_volume(what, mount, scene, _COPY, scene.environment_of(container.labels), known=known)
    if not name and place(source)[0] and target != "-":
        yield from _written(target, scene, copied=place(source)[1] or "/")


def output(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """`-o FILE` of export, save, config, build and bake."""
    for target in (*call.all("output"), *scene.outputs):
        yield from _written(target, scene)


def _written(target: str, scene: Scene, copied: str = "") -> Iterator[DataEffect]:
    """A file or folder of the host that would be written; `copied` is placed inside if it is a folder."""
    path = scene.on_host(target)
    real = scene.links.get(path, path)
    for folder, reason in scene.folders.items():
        inside = within(path, folder) or within(real, folder)
        if inside or (copied and _lands(copied, (path, real), folder)):
            what = f"it writes to {posixpath.normpath(path)} ({folder}: {reason})"
            yield destroys(what, safe=Hint("Write it somewhere else."))


def _lands(source: str, places: tuple[str, str], folder: str) -> bool:
    """Whether a copy of a container's `source` into the folder at `places` would affect a protected one."""
    name = posixpath.basename(posixpath.normpath(source))
    whole = source.endswith("/.") or name in ("", ".", "..")
    return any(
        within(folder, place) and (whole or overlap(posixpath.join(place, name), folder)) for place in places
    )
