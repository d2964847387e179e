"""What docker and Compose print as JSON → the records of the scene. Passwords are not taken over."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ledgerflow_ops.guard.escapes import ways_out
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


def volume(said: Json) -> Volume:
    """One entry of `docker volume inspect`."""
    return Volume(
        said["Name"], said.get("Labels") or {}, said.get("Driver") or "local", said.get("Options") or {}
    )


def container(said: Json) -> Container:
    """One entry of `docker container inspect`."""
    config, host, state = said["Config"], said["HostConfig"], said["State"]
    networks = set((said.get("NetworkSettings") or {}).get("Networks") or {})
    mode = host.get("NetworkMode") or ""
    if mode.startswith("container:"):
        networks.add(mode)
    return Container(
        id=said["Id"],
        name=said["Name"].removeprefix("/"),
        process=Process(
            config.get("Image") or "",
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
            (
                *(_mount(entry) for entry in said.get("Mounts") or ()),
                *(Mount("tmpfs", "", target) for target in host.get("Tmpfs") or ()),
            ),
            _pgdata(config.get("Env") or (), config.get("Cmd") or ()),
            _unbound(host),
            said.get("Image") or "",
        ),
        running=bool(state.get("Running")) or state.get("Status") in ("paused", "restarting"),
        labels=config.get("Labels") or {},
        networks=frozenset(networks),
        removes_itself=bool(host.get("AutoRemove")),
        reads_input=bool(config.get("OpenStdin")),
        workdir=config.get("WorkingDir") or "/",
    )


def _mount(said: Json) -> Mount:
    kind = said.get("Type") or ""
    source = said.get("Name") if kind == "volume" else said.get("Source")
    return Mount(kind, source or "", said.get("Destination") or "", bool(said.get("RW")))


def _pgdata(variables: Sequence[str], command: Sequence[str]) -> str:
    said = (text.partition("=")[2] for text in variables if text.startswith("PGDATA="))
    return data_folder(command) or next(said, "")


def data_folder(command: Sequence[str]) -> str:
    """Where a server is told on its command line to keep its data."""
    found = ""
    for word, after in pairwise((*command, "")):
        if word in ("-D", "--pgdata"):
            found = after
        elif word.startswith("-D/"):
            found = word[2:]
        name, equals, value = word.removeprefix("--").removeprefix("-c").partition("=")
        if equals and name.replace("-", "_") == "data_directory":
            found = value.strip("'")
    return found


def _unbound(host: Json) -> str:
    return ways_out(
        privileged=bool(host.get("Privileged")),
        powers=host.get("CapAdd") or (),
        devices=(device.get("PathOnHost") or "" for device in host.get("Devices") or ()),
        rules=host.get("DeviceCgroupRules") or (),
        pid=host.get("PidMode") or "",
    )


def image(said: Json) -> Process:
    """One entry of `docker image inspect`: what it starts, and the volumes that it asks for."""
    config = said.get("Config") or {}
    return Process(
        "",
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        (),
        _pgdata(config.get("Env") or (), config.get("Cmd") or ()),
        image_id=said.get("Id") or "",
    )


def project(
    said: Json, files: Sequence[str], env_files: Sequence[str], images: Images, engine: Engine
) -> Project:
    """What `docker compose config --format json` prints."""
    declared = {key: _declared(key, entry or {}, said) for key, entry in (said.get("volumes") or {}).items()}
    entries = {name: entry or {} for name, entry in (said.get("services") or {}).items()}
    services = tuple(_service(name, entries, declared, images, engine) for name, entry in entries.items())
    return Project(said.get("name") or "", services, tuple(declared.values()), tuple(files), tuple(env_files))


def _declared(key: str, said: Json, whole: Json) -> Declared:
    return Declared(
        said.get("name") or f"{whole.get('name', '')}_{key}",
        bool(said.get("external")),
        {name: str(value) for name, value in (said.get("labels") or {}).items()},
        said.get("driver") or "",
        {name: str(value) for name, value in (said.get("driver_opts") or {}).items()},
    )


def _service(
    name: str, entries: Mapping[str, Json], declared: Mapping[str, Declared], images: Images, engine: Engine
) -> Service:
    said = entries[name]
    known = images.get(said.get("image") or "")
    entrypoint, command = said.get("entrypoint"), said.get("command")
    if entrypoint is None and known:
        entrypoint = known.entrypoint
        command = known.command if command is None else command
    told = data_folder(_literal(command or ()))
    pgdata = told or str((said.get("environment") or {}).get("PGDATA") or (known.pgdata if known else ""))
    process = Process(
        said.get("image") or "",
        _literal(entrypoint or ()),
        _literal(command or ()),
        (*_service_mounts(said, declared), *_taken_over(name, entries, declared, engine)),
        pgdata,
        _service_unbound(said),
        known.image_id if known else "",
    )
    outside = "another program provides it, which cannot be judged" if said.get("provider") else ""
    return Service(
        name,
        process,
        _copies(said),
        tuple(_hooks(said.get("post_start"))),
        tuple(_hooks(said.get("pre_stop"))),
        tuple(_hooks(entry.get("exec") for entry in _watches(said))),
        _health(said),
        outside,
        tuple(entry["target"] for entry in _watches(said) if entry.get("target")),
        str(said.get("pull_policy") or ""),
        bool(said.get("build")),
    )


def _literal(words: Sequence[str]) -> tuple[str, ...]:
    """A program's words as the container gets them: Compose prints a $ of them as $$."""
    return tuple(word.replace("$$", "$") for word in words)


def _service_mounts(said: Json, declared: Mapping[str, Declared]) -> list[Mount]:
    found = []
    for entry in said.get("volumes") or ():
        kind, source = entry.get("type") or "volume", entry.get("source") or ""
        target, writable = entry.get("target") or "", not entry.get("read_only")
        if kind == "volume" and source in declared:
            places = host_places(declared[source].options)
            found += [Mount("bind", place, target, writable) for place in places]
            source = declared[source].name
        found.append(Mount(kind, source, target, writable))
    for kind, home in (("configs", "/"), ("secrets", "/run/secrets")):
        for entry in said.get(kind) or ():
            target = posixpath.join(home, entry.get("target") or entry.get("source") or "")
            found.append(Mount(kind, entry.get("source") or "", target, writable=False))
    found += [Mount("tmpfs", "", str(text).partition(":")[0]) for text in said.get("tmpfs") or ()]
    if said.get("use_api_socket"):
        found.append(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"))
    return found


def _taken_over(
    name: str, entries: Mapping[str, Json], declared: Mapping[str, Declared], engine: Engine
) -> Iterator[Mount]:
    """The mounts of others, by `volumes_from`: `service`, `service:ro`, `container:name`."""
    left, seen = [(name, True)], {name}
    while left:
        one, may_write = left.pop()
        for text in entries[one].get("volumes_from") or ():
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


def _service_unbound(said: Json) -> str:
    devices = said.get("devices") or ()
    return ways_out(
        privileged=bool(said.get("privileged")),
        powers=map(str, said.get("cap_add") or ()),
        devices=(str(device.get("source") if isinstance(device, dict) else device) for device in devices),
        rules=map(str, said.get("device_cgroup_rules") or ()),
        pid=str(said.get("pid") or ""),
    )


def _copies(said: Json) -> int:
    replicas = (said.get("deploy") or {}).get("replicas")
    count = said.get("scale") if said.get("scale") is not None else replicas
    return int(count) if isinstance(count, int) else 1


def _hooks(entries: Iterable[Json | None] | None) -> Iterator[Hook]:
    for entry in entries or ():
        if entry:
            yield Hook(_literal(entry.get("command") or ()), bool(entry.get("privileged")))


def _health(said: Json) -> tuple[str, ...]:
    test = _literal((said.get("healthcheck") or {}).get("test") or ())
    if test[:1] == ("CMD-SHELL",):
        return ("sh", "-c", *test[1:])
    return test[1:] if test[:1] == ("CMD",) else ()


def _watches(said: Json) -> Sequence[Json]:
    """What `watch` does when files of the host have changed."""
    return (said.get("develop") or {}).get("watch") or ()
