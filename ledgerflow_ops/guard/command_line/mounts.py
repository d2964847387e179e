"""The mounts that a command line asks for, in every spelling: -v, --mount, --volumes-from, --tmpfs."""

import csv
import posixpath
import shlex
from collections.abc import Iterator

from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.engine_output import SOCKET, data_folder, isolation_gaps, taken
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.model import Mount, Process

_TRUE = {"", "1", "true", "True", "TRUE", "t", "T"}
_SAME_FIELD = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def of_call(call: Call, scene: Scene) -> Process:
    """The container that `docker run` or `create` would start, with the image's program if none is given."""
    image, *argv = call.operands or ("",)
    known = scene.images.get(image, Process(image))
    entrypoint, command = known.entrypoint, tuple(argv) or known.command
    if "entrypoint" in call.options:
        entrypoint, command = words(call.last("entrypoint")), tuple(argv)
    variables = dict(text.partition("=")[::2] for text in call.all("env"))
    pgdata = data_folder(command) or variables.get("PGDATA") or known.pgdata
    mounts = (*asked_for(call, scene), *known.mounts)
    return Process(image, entrypoint, command, mounts, pgdata, unbound(call))


def words(text: str) -> tuple[str, ...]:
    """A program with its arguments, as a shell would split it."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return (text,)


def asked_for(call: Call, scene: Scene) -> Iterator[Mount]:
    """Every mount in the options of a call."""
    yield from (_from_short(text, scene.folder) for text in call.all("volume"))
    for text in call.all("mount"):
        yield from _from_long(text, scene.folder)
    for text in call.all("volumes-from"):
        name, _, mode = text.partition(":")
        container = scene.engine.container(name)
        held = container.process.mounts if container else ()
        yield from taken(held, writable="ro" not in mode.split(","))
    for text in call.all("tmpfs"):
        yield Mount("tmpfs", "", text.partition(":")[0])
    if call.on("use-api-socket"):
        yield SOCKET


def _from_short(text: str, folder: str) -> Mount:
    """`source:target:mode`. A source with / . or ~ first is a host path; a single word is a new volume.

    Clients before 23.0 do not resolve a relative path, and the engine rejects the line: judged all the same.
    """
    source, target, mode, *_ = (*text.split(":"), "", "")
    if ":" not in text:
        return Mount("volume", "", text)
    writable = not {"ro", "readonly"} & set(mode.split(","))
    if source.startswith(("/", ".", "~")):
        return Mount("bind", _absolute(source, folder), target, writable)
    return Mount("volume", source, target, writable)


def _from_long(text: str, folder: str) -> Iterator[Mount]:
    """`type=…,src=…,dst=…`: one line of CSV."""
    parts = [part.partition("=") for part in next(csv.reader([text]), [])]
    given = [(name.strip().lower(), value) for name, _, value in parts]
    fields = {_SAME_FIELD.get(name, name): value for name, value in given}  # the last of two names counts
    options = dict(value.partition("=")[::2] for name, value in given if name == "volume-opt")
    source, target = fields.get("source", ""), fields.get("target", "")
    writable = fields.get("readonly", "false") not in _TRUE
    kind = fields.get("type", "volume").lower()
    yield Mount(kind, _absolute(source, folder) if kind == "bind" else source, target, writable)
    for place in host_places(options):  # a volume made here and now of a folder of the host
        yield Mount("bind", place, target, writable)


def driver_options(call: Call) -> dict[str, str]:
    """The options of a volume's driver that `volume create` gives."""
    return dict(text.partition("=")[::2] for text in call.all("opt"))


def unbound(call: Call) -> str:
    """How the options break a container's isolation; empty if they do not."""
    gaps = (call.all("cap-add"), call.all("device"), call.all("device-cgroup-rule"), call.last("pid"))
    return isolation_gaps(*gaps, privileged=call.on("privileged"))


def _absolute(path: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))
