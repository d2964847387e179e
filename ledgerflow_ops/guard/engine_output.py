"""Converts the JSON output of docker and Compose into the model's records. Passwords are not kept."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ledgerflow_ops.guard.model import Container, Engine, Hook, Mount, Process, Project, Service, Volume

Json = Mapping[str, Any]
Words = Iterable[object] | None
SOCKET = Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock")
_POWERS = {"ALL", "SYS_ADMIN", "SYS_RAWIO", "SYS_MODULE", "DAC_READ_SEARCH", "MKNOD", "BPF"}
"""Capabilities with which a program can access more than its container. SYS_PTRACE needs --pid as
well."""
_NO_DISKS = tuple(
    f"/dev/{name}" for name in ("null", "fuse", "dri", "snd", "video", "tty", "net/tun", "kvm", "nvidia")
)


def volume(fields: Json) -> Volume:
    """One entry of `docker volume inspect`."""
    labels, driver, options = (fields.get(name) for name in ("Labels", "Driver", "Options"))
    return Volume(fields["Name"], labels or {}, driver or "local", options or {})


def container(fields: Json) -> Container:
    """One entry of `docker container inspect`."""
    config, host, state = fields["Config"], fields["HostConfig"], fields["State"]
    joined = (fields.get("NetworkSettings") or {}).get("Networks") or {}
    mode = host.get("NetworkMode") or ""
    mounts = [_mount(entry) for entry in fields.get("Mounts") or ()]
    mounts += [Mount("tmpfs", "", target) for target in host.get("Tmpfs") or ()]
    devices = [device.get("PathOnHost") for device in host.get("Devices") or ()]
    gaps = (host.get("CapAdd"), devices, host.get("DeviceCgroupRules"), host.get("PidMode"))
    unbound = isolation_gaps(*gaps, privileged=bool(host.get("Privileged")))
    return Container(
        id=fields["Id"],
        name=fields["Name"].removeprefix("/"),
        process=_process(config, config.get("Image"), fields.get("Image"), mounts, unbound),
        running=bool(state.get("Running")) or state.get("Status") in ("paused", "restarting"),
        labels=config.get("Labels") or {},
        networks=frozenset((*joined, *([mode] if mode.startswith("container:") else []))),
        published=any((host.get("PortBindings") or {}).values()) or bool(host.get("PublishAllPorts")),
        addresses=frozenset(entry["IPAddress"] for entry in joined.values() if entry.get("IPAddress")),
        database=_variables(config).get("POSTGRES_DB", ""),
        removes_itself=bool(host.get("AutoRemove")),
        reads_input=bool(config.get("OpenStdin")),
        workdir=config.get("WorkingDir") or "/",
    )


def image(fields: Json) -> Process:
    """One entry of `docker image inspect`: the program that it starts, and its PGDATA."""
    return _process(fields.get("Config") or {}, "", fields.get("Id"))


def _process(
    config: Json, name: str | None, image_id: str | None, mounts: Iterable[Mount] = (), unbound: str = ""
) -> Process:
    entrypoint, command = (tuple(config.get(key) or ()) for key in ("Entrypoint", "Cmd"))
    pgdata = data_folder(command) or _variables(config).get("PGDATA", "")
    return Process(name or "", entrypoint, command, tuple(mounts), pgdata, unbound, image_id=image_id or "")


def _variables(config: Json) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in config.get("Env") or ())


def _mount(fields: Json) -> Mount:
    kind = fields.get("Type") or ""
    source = fields.get("Name") if kind == "volume" else fields.get("Source")
    return Mount(kind, source or "", fields.get("Destination") or "", bool(fields.get("RW")))


def data_folder(command: Sequence[str]) -> str:
    """The data folder that a server's command line names; empty if none."""
    folder = ""
    for word, after in pairwise((*command, "")):
        if word in ("-D", "--pgdata"):
            folder = after
        elif word.startswith("-D/"):
            folder = word[2:]
        name, equals, value = word.removeprefix("--").removeprefix("-c").partition("=")
        if equals and name.replace("-", "_") == "data_directory":
            folder = value.strip("'")
    return folder


def project(fields: Json, images: Mapping[str, Process], engine: Engine) -> Project:
    """What `docker compose config --format json` prints."""
    name = fields.get("name") or ""
    sections = {key: fields.get(key) or {} for key in ("services", "volumes", "networks")}
    services, volumes, networks = (
        {key: entry or {} for key, entry in section.items()} for section in sections.values()
    )
    declared = {key: _declared(f"{name}_{key}", entry) for key, entry in volumes.items()}
    joined = {key: entry.get("name") or key for key, entry in networks.items()}
    found = (_service(key, services, declared, images, engine, joined) for key in services)
    return Project(name, tuple(found), tuple(declared.values()))


def _declared(name: str, fields: Json) -> Volume:
    labels, options = (
        {key: str(value) for key, value in (fields.get(section) or {}).items()}
        for section in ("labels", "driver_opts")
    )
    driver, external = fields.get("driver") or "local", bool(fields.get("external"))
    return Volume(fields.get("name") or name, labels, driver, options, external)


def _service(
    name: str,
    entries: Mapping[str, Json],
    declared: Mapping[str, Volume],
    images: Mapping[str, Process],
    engine: Engine,
    networks: Mapping[str, str],
) -> Service:
    fields = entries[name]
    known = images.get(fields.get("image") or "", Process(""))
    entrypoint, command = fields.get("entrypoint"), fields.get("command")
    if entrypoint is None:
        entrypoint, command = known.entrypoint, known.command if command is None else command
    words = _literal(command or ())
    devices = [it.get("source") if isinstance(it, dict) else it for it in fields.get("devices") or ()]
    gaps = (fields.get("cap_add"), devices, fields.get("device_cgroup_rules"), fields.get("pid"))
    process = Process(
        fields.get("image") or "",
        _literal(entrypoint or ()),
        words,
        (*_service_mounts(fields, declared), *_taken_over(name, entries, declared, engine)),
        data_folder(words) or str((fields.get("environment") or {}).get("PGDATA") or known.pgdata),
        isolation_gaps(*gaps, privileged=bool(fields.get("privileged"))),
        _networks(name, entries, networks),
        known.image_id,
    )
    watches = (fields.get("develop") or {}).get("watch") or ()
    replicas = (fields.get("deploy") or {}).get("replicas")
    count = fields.get("scale") if fields.get("scale") is not None else replicas
    return Service(
        name,
        process,
        int(count) if isinstance(count, int) else 1,
        (*_hooks(fields.get("post_start")), *_hooks(entry.get("exec") for entry in watches)),
        tuple(_hooks(fields.get("pre_stop"))),
        _health(fields),
        bool(fields.get("provider")),
        tuple(entry["target"] for entry in watches if entry.get("target")),
        str(fields.get("pull_policy") or ""),
        bool(fields.get("build")),
    )


def _networks(name: str, entries: Mapping[str, Json], names: Mapping[str, str]) -> frozenset[str]:
    """The networks that a service joins, by the engine's names; `container:NAME` for another's namespace.

    In the namespace of another service it has that one's networks.
    """
    for _ in entries:
        mode = str(entries[name].get("network_mode") or "")
        if mode.partition(":")[2] not in entries or not mode.startswith("service:"):
            break
        name = mode.removeprefix("service:")
    links = (str(text).partition(":")[0] for text in entries[name].get("external_links") or ())
    own = entries[name].get("networks") or ("default",)
    joined = [mode] if mode else [names.get(key, key) for key in own]
    return frozenset((*joined, *(f"container:{link}" for link in links)))


def _literal(words: Sequence[str]) -> tuple[str, ...]:
    """A program's words as the container receives them: Compose prints $ as $$."""
    return tuple(word.replace("$$", "$") for word in words)


def _service_mounts(fields: Json, declared: Mapping[str, Volume]) -> Iterator[Mount]:
    for entry in fields.get("volumes") or ():
        kind, source = entry.get("type") or "volume", entry.get("source") or ""
        target, writable = entry.get("target") or "", not entry.get("read_only")
        if kind == "volume" and source in declared:
            yield from (Mount("bind", place, target, writable) for place in declared[source].places)
            source = declared[source].name
        yield Mount(kind, source, target, writable)
    for kind, home in (("configs", "/"), ("secrets", "/run/secrets")):
        for entry in fields.get(kind) or ():
            target = posixpath.join(home, entry.get("target") or entry.get("source") or "")
            yield Mount(kind, entry.get("source") or "", target, writable=False)
    yield from (Mount("tmpfs", "", str(text).partition(":")[0]) for text in fields.get("tmpfs") or ())
    yield from [SOCKET] if fields.get("use_api_socket") else []


def _taken_over(
    name: str, entries: Mapping[str, Json], declared: Mapping[str, Volume], engine: Engine
) -> Iterator[Mount]:
    """The mounts from `volumes_from`: `service`, `service:ro`, `container:name`."""
    left, seen = [(name, True)], {name}
    while left:
        service, may_write = left.pop()
        for text in entries[service].get("volumes_from") or ():
            kind, _, rest = str(text).partition(":")
            name, mode = rest.partition(":")[::2] if kind == "container" else ("", rest)
            writable, other = may_write and mode != "ro", engine.container(name)
            mounts: Iterable[Mount] = other.process.mounts if other else ()
            if not name and kind in entries and kind not in seen:
                seen.add(kind)
                left.append((kind, writable))
                mounts = _service_mounts(entries[kind], declared)
            yield from taken(mounts, writable=writable)


def taken(mounts: Iterable[Mount], *, writable: bool) -> Iterator[Mount]:
    """Another container's mounts as one gets them, read-only unless `writable`."""
    for mount in mounts:
        yield Mount(mount.kind, mount.source, mount.target, mount.writable and writable)


def _hooks(entries: Iterable[Json | None] | None) -> Iterator[Hook]:
    for entry in filter(None, entries or ()):
        yield Hook(_literal(entry.get("command") or ()), bool(entry.get("privileged")))


def _health(fields: Json) -> tuple[str, ...]:
    test = _literal((fields.get("healthcheck") or {}).get("test") or ())
    if test[:1] == ("CMD-SHELL",):
        return ("sh", "-c", *test[1:])
    return test[1:] if test[:1] == ("CMD",) else ()


def isolation_gaps(
    powers: Words, devices: Words, rules: Words, pid: object = "", *, privileged: bool = False
) -> str:
    """The gaps in words; empty if there are none. `rules` are device cgroup rules, `pid` is the PID mode."""
    gaps = ["privileged"] if privileged else []
    gaps += sorted({str(power).upper().removeprefix("CAP_") for power in powers or ()} & _POWERS)
    # A device that is not known to be something else may be a disk.
    disks = any(not posixpath.normpath(str(device)).startswith(_NO_DISKS) for device in devices or ())
    gaps += ["devices"] if disks or rules else []
    return ", ".join([*gaps, *([f"pid {pid}"] if pid else [])])
