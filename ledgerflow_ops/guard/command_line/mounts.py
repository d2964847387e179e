"""The mounts that a command line asks for, in every spelling: -v, --mount, --volumes-from, --tmpfs."""

import csv
import posixpath
import shlex
from collections.abc import Iterator

from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.engine_output import data_folder
from ledgerflow_ops.guard.escapes import isolation_gaps
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.model import Mount, Process

_TRUE = {"", "1", "true", "True", "TRUE", "t", "T"}
_SAME_FIELD = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def of_call(call: Call, scene: Scene) -> Process:
    """The container that `docker run` or `create` would start, with the image's program if none is given."""
    image, *argv = call.operands or ("",)
    known = scene.images.get(image)
    entrypoint = known.entrypoint if known else ()
    if "entrypoint" in call.options:
        entrypoint = words(call.last("entrypoint"))
        command = tuple(argv)
    else:
        command = tuple(argv) or (known.command if known else ())
    given = [text.partition("=") for text in call.all("env")]
    pgdata = next((value for name, _, value in reversed(given) if name == "PGDATA"), "")
    return Process(
        image,
        entrypoint,
        command,
        (*asked_for(call, scene), *_of_image(known)),
        data_folder(command) or pgdata or (known.pgdata if known else ""),
        unbound(call),
    )


def _of_image(known: Process | None) -> tuple[Mount, ...]:
    return known.mounts if known else ()


def words(text: str) -> tuple[str, ...]:
    """A program with its arguments, as a shell would split it."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return (text,)


def asked_for(call: Call, scene: Scene) -> Iterator[Mount]:
    """Every mount in the options of a call."""
    for text in call.all("volume"):
        yield from from_short(text, scene.folder)
    for text in call.all("mount"):
        yield from _from_long(text, scene.folder)
    for text in call.all("volumes-from"):
        name, _, mode = text.partition(":")
        container = scene.engine.container(name)
        for mount in container.process.mounts if container else ():
            writable = mount.writable and "ro" not in mode.split(",")
            yield Mount(mount.kind, mount.source, mount.target, writable)
    for text in call.all("tmpfs"):
        yield Mount("tmpfs", "", text.partition(":")[0])
    if call.on("use-api-socket"):
        yield Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock")


def from_short(text: str, folder: str) -> Iterator[Mount]:
    """`source:target:mode`. A source with / . or ~ first is a host path; a single word is a new volume."""
    parts = text.split(":")
    if len(parts) == 1:
        yield Mount("volume", "", text)
        return
    source, target, mode = parts[0], parts[1], parts[2] if len(parts) > 2 else ""
    writable = not {"ro", "readonly"} & set(mode.split(","))
    if source.startswith(("/", ".", "~")):
        yield Mount("bind", _absolute(source, folder), target, writable)
    else:
        yield Mount("volume", source, target, writable)


def _from_long(text: str, folder: str) -> Iterator[Mount]:
    """`type=…,src=…,dst=…`: one line of CSV."""
    fields: dict[str, str] = {}
    options: dict[str, str] = {}
    for part in next(csv.reader([text]), []):
        name, _, value = part.partition("=")
        name = name.strip().lower()
        fields[_SAME_FIELD.get(name, name)] = value  # the last of two names for one field counts
        if name == "volume-opt":
            key, _, given = value.partition("=")
            options[key] = given
    source, target = fields.get("source", ""), fields.get("target", "")
    writable = fields.get("readonly", "false") not in _TRUE
    kind = fields.get("type", "volume").lower()
    yield Mount(kind, _absolute(source, folder) if kind == "bind" else source, target, writable)
    for place in host_places(options):  # a volume made here and now of a folder of the host
        yield Mount("bind", place, target, writable)


def driver_options(call: Call) -> dict[str, str]:
    """The options of a volume's driver that `volume create` gives."""
    return {name: value for name, _, value in (text.partition("=") for text in call.all("opt"))}


def unbound(call: Call) -> str:
    """How the options break a container's isolation; empty if they do not."""
    return isolation_gaps(
        privileged=call.on("privileged"),
        powers=call.all("cap-add"),
        devices=call.all("device"),
        rules=call.all("device-cgroup-rule"),
        pid=call.last("pid"),
    )


def _absolute(path: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))
