"""Converts the JSON output of docker and Compose into the model's records. Passwords are not kept."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ledgerflow_ops.guard.escapes import isolation_gaps
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.model import (
    Container,
    Declared,
    Engine,
    Hook,
    Mount,
    Process,
    Project,
    Service,
    Volume,
)

Json = Mapping[str, Any]
Images = Mapping[str, Process]


def volume(fields: Json) -> Volume:
    """One entry of `docker volume inspect`."""
    return Volume(
        fields["Name"],
        fields.get("Labels") or {},
        fields.get("Driver") or "local",
        fields.get("Options") or {},
    )


def container(fields: Json) -> Container:
    """One entry of `docker container inspect`."""
    config, host, state = fields["Config"], fields["HostConfig"], fields["State"]
    joined = (fields.get("NetworkSettings") or {}).get("Networks") or {}
    networks = set(joined)
    mode = host.get("NetworkMode") or ""
    variables = dict(text.partition("=")[::2] for text in config.get("Env") or ())
    if mode.startswith("container:"):
        networks.add(mode)
    return Container(
        id=fields["Id"],
        name=fields["Name"].removeprefix("/"),
        process=Process(
            config.get("Image") or "",
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
            (
                *(_mount(entry) for entry in fields.get("Mounts") or ()),
                *(Mount("tmpfs", "", target) for target in host.get("Tmpfs") or ()),
            ),
            _pgdata(config.get("Env") or (), config.get("Cmd") or ()),
            _unbound(host),
            image_id=fields.get("Image") or "",
        ),
        running=bool(state.get("Running")) or state.get("Status") in ("paused", "restarting"),
        labels=config.get("Labels") or {},
        networks=frozenset(networks),
        published=any((host.get("PortBindings") or {}).values()) or bool(host.get("PublishAllPorts")),
        addresses=frozenset(entry["IPAddress"] for entry in joined.values() if entry.get("IPAddress")),
        database=variables.get("POSTGRES_DB", ""),
        removes_itself=bool(host.get("AutoRemove")),
        reads_input=bool(config.get("OpenStdin")),
        workdir=config.get("WorkingDir") or "/",
    )


def _mount(fields: Json) -> Mount:
    kind = fields.get("Type") or ""
    source = fields.get("Name") if kind == "volume" else fields.get("Source")
    return Mount(kind, source or "", fields.get("Destination") or "", bool(fields.get("RW")))


def _pgdata(variables: Sequence[str], command: Sequence[str]) -> str:
    fields = (text.partition("=")[2] for text in variables if text.startswith("PGDATA="))
    return data_folder(command) or next(fields, "")


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


def _unbound(host: Json) -> str:
    return isolation_gaps(
        privileged=bool(host.get("Privileged")),
        powers=host.get("CapAdd") or (),
        devices=(device.get("PathOnHost") or "" for device in host.get("Devices") or ()),
        rules=host.get("DeviceCgroupRules") or (),
        pid=host.get("PidMode") or "",
    )


def image(fields: Json) -> Process:
    """One entry of `docker image inspect`: the program that it starts, and its PGDATA."""
    config = fields.get("Config") or {}
    return Process(
        "",
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        (),
        _pgdata(config.get("Env") or (), config.get("Cmd") or ()),
        image_id=fields.get("Id") or "",
    )


def project(
    fields: Json, files: Sequence[str], env_files: Sequence[str], images: Images, engine: Engine
) -> Project:
    """What `docker compose config --format json` prints."""
    declared = {
        key: _declared(key, entry or {}, fields) for key, entry in (fields.get("volumes") or {}).items()
    }
    entries = {name: entry or {} for name, entry in (fields.get("services") or {}).items()}
    networks = {
        key: (entry or {}).get("name") or key for key, entry in (fields.get("networks") or {}).items()
    }
    services = tuple(_service(name, entries, declared, images, engine, networks) for name in entries)
    return Project(
        fields.get("name") or "", services, tuple(declared.values()), tuple(files), tuple(env_files)
    )


def _declared(key: str, fields: Json, whole: Json) -> Declared:
    return Declared(
        fields.get("name") or f"{whole.get('name', '')}_{key}",
        bool(fields.get("external")),
        {name: str(value) for name, value in (fields.get("labels") or {}).items()},
        fields.get("driver") or "",
        {name: str(value) for name, value in (fields.get("driver_opts") or {}).items()},
    )


def _service(
    name: str,
    entries: Mapping[str, Json],
    declared: Mapping[str, Declared],
    images: Images,
    engine: Engine,
    networks: Mapping[str, str],
) -> Service:
    fields = entries[name]
    known = images.get(fields.get("image") or "")
    entrypoint, command = fields.get("entrypoint"), fields.get("command")
    if entrypoint is None and known:
        entrypoint = known.entrypoint
        command = known.command if command is None else command
    folder = data_folder(_literal(command or ()))
    pgdata = folder or str((fields.get("environment") or {}).get("PGDATA") or (known.pgdata if known else ""))
    process = Process(
        fields.get("image") or "",
        _literal(entrypoint or ()),
        _literal(command or ()),
        (*_service_mounts(fields, declared), *_taken_over(name, entries, declared, engine)),
        pgdata,
        _service_unbound(fields),
        _networks(name, entries, networks),
        known.image_id if known else "",
    )
    outside = "a provider program implements it, which cannot be judged" if fields.get("provider") else ""
    return Service(
        name,
        process,
        _copies(fields),
        (*_hooks(fields.get("post_start")), *_hooks(entry.get("exec") for entry in _watches(fields))),
        tuple(_hooks(fields.get("pre_stop"))),
        _health(fields),
        outside,
        tuple(entry["target"] for entry in _watches(fields) if entry.get("target")),
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
    linked = {
        f"container:{str(text).partition(':')[0]}" for text in entries[name].get("external_links") or ()
    }
    joined = (
        [mode] if mode else [names.get(key, key) for key in entries[name].get("networks") or ("default",)]
    )
    return frozenset((*joined, *linked))


def _literal(words: Sequence[str]) -> tuple[str, ...]:
    """A program's words as the container receives them: Compose prints $ as $$."""
    return tuple(word.replace("$$", "$") for word in words)


def _service_mounts(fields: Json, declared: Mapping[str, Declared]) -> list[Mount]:
    mounts = []
    for entry in fields.get("volumes") or ():
        kind, source = entry.get("type") or "volume", entry.get("source") or ""
        target, writable = entry.get("target") or "", not entry.get("read_only")
        if kind == "volume" and source in declared:
            places = host_places(declared[source].options)
            mounts += [Mount("bind", place, target, writable) for place in places]
            source = declared[source].name
        mounts.append(Mount(kind, source, target, writable))
    for kind, home in (("configs", "/"), ("secrets", "/run/secrets")):
        for entry in fields.get(kind) or ():
            target = posixpath.join(home, entry.get("target") or entry.get("source") or "")
            mounts.append(Mount(kind, entry.get("source") or "", target, writable=False))
    mounts += [Mount("tmpfs", "", str(text).partition(":")[0]) for text in fields.get("tmpfs") or ()]
    if fields.get("use_api_socket"):
        mounts.append(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"))
    return mounts


def _taken_over(
    name: str, entries: Mapping[str, Json], declared: Mapping[str, Declared], engine: Engine
) -> Iterator[Mount]:
    """The mounts from `volumes_from`: `service`, `service:ro`, `container:name`."""
    left, seen = [(name, True)], {name}
    while left:
        service, may_write = left.pop()
        for text in entries[service].get("volumes_from") or ():
            kind, _, rest = str(text).partition(":")
            container_, mode = rest.partition(":")[::2] if kind == "container" else ("", rest)
            writable = may_write and mode != "ro"
            other = engine.container(container_) if container_ else None
            mounts = list(other.process.mounts) if other else []
            if not container_ and kind in entries and kind not in seen:
                seen.add(kind)
                left.append((kind, writable))
                mounts = _service_mounts(entries[kind], declared)
            for mount in mounts:
                yield Mount(mount.kind, mount.source, mount.target, mount.writable and writable)


def _service_unbound(fields: Json) -> str:
    devices = fields.get("devices") or ()
    return isolation_gaps(
        privileged=bool(fields.get("privileged")),
        powers=map(str, fields.get("cap_add") or ()),
        devices=(str(device.get("source") if isinstance(device, dict) else device) for device in devices),
        rules=map(str, fields.get("device_cgroup_rules") or ()),
        pid=str(fields.get("pid") or ""),
    )


def _copies(fields: Json) -> int:
    replicas = (fields.get("deploy") or {}).get("replicas")
    count = fields.get("scale") if fields.get("scale") is not None else replicas
    return int(count) if isinstance(count, int) else 1


def _hooks(entries: Iterable[Json | None] | None) -> Iterator[Hook]:
    for entry in entries or ():
        if entry:
            yield Hook(_literal(entry.get("command") or ()), bool(entry.get("privileged")))


def _health(fields: Json) -> tuple[str, ...]:
    test = _literal((fields.get("healthcheck") or {}).get("test") or ())
    if test[:1] == ("CMD-SHELL",):
        return ("sh", "-c", *test[1:])
    return test[1:] if test[:1] == ("CMD",) else ()


def _watches(fields: Json) -> Sequence[Json]:
    """The actions of `watch` for changed files of the host."""
    return (fields.get("develop") or {}).get("watch") or ()
