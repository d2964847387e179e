"""What docker and Compose print as JSON → the records of the scene. Passwords are not taken over."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledgerflow_ops.guard.scene import Container, Declared, Mount, Process, Project, Service, Volume

_POWERS = {"ALL", "SYS_ADMIN", "SYS_RAWIO", "SYS_MODULE", "SYS_PTRACE", "DAC_READ_SEARCH", "MKNOD", "BPF"}

Json = Mapping[str, Any]
Images = Mapping[str, Process]


def volume(said: Json) -> Volume:
    """One entry of `docker volume inspect`."""
    options = said.get("Options") or {}
    return Volume(
        said["Name"],
        said.get("Labels") or {},
        options.get("device", ""),
        said.get("Driver") or "local",
        options,
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
            tuple(_mount(entry) for entry in said.get("Mounts") or ()),
            _pgdata(config.get("Env") or ()),
            _unbound(host),
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


def _pgdata(variables: Sequence[str]) -> str:
    return next((text.partition("=")[2] for text in variables if text.startswith("PGDATA=")), "")


def _unbound(host: Json) -> str:
    powers = {power.upper().removeprefix("CAP_") for power in host.get("CapAdd") or ()} & _POWERS
    ways = [
        "privileged" if host.get("Privileged") else "",
        *sorted(powers),
        "devices" if host.get("Devices") else "",
        f"pid {host['PidMode']}" if host.get("PidMode") else "",
    ]
    return ", ".join(filter(None, ways))


def image(said: Json) -> Process:
    """One entry of `docker image inspect`: what it starts, and the volumes that it asks for."""
    config = said.get("Config") or {}
    return Process(
        "",
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        (),
        _pgdata(config.get("Env") or ()),
    )


def project(
    said: Json, files: Sequence[str], env_files: Sequence[str], images: Mapping[str, Process]
) -> Project:
    """What `docker compose config --format json` prints."""
    declared = {key: _declared(key, entry or {}, said) for key, entry in (said.get("volumes") or {}).items()}
    services = tuple(
        _service(name, entry or {}, declared, images) for name, entry in (said.get("services") or {}).items()
    )
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
    name: str, said: Json, declared: Mapping[str, Declared], images: Mapping[str, Process]
) -> Service:
    known = images.get(said.get("image") or "")
    entrypoint, command = said.get("entrypoint"), said.get("command")
    if entrypoint is None and known:
        entrypoint = known.entrypoint
        command = known.command if command is None else command
    pgdata = str((said.get("environment") or {}).get("PGDATA") or (known.pgdata if known else ""))
    process = Process(
        said.get("image") or "",
        _literal(entrypoint or ()),
        _literal(command or ()),
        tuple(_service_mounts(said, declared)),
        pgdata,
        _service_unbound(said),
    )
    return Service(name, process, _copies(said), tuple(_hooks(said)), _outside(said))


def _literal(words: Sequence[str]) -> tuple[str, ...]:
    """A program's words as the container gets them: Compose prints a $ of them as $$."""
    return tuple(word.replace("$$", "$") for word in words)


def _service_mounts(said: Json, declared: Mapping[str, Declared]) -> list[Mount]:
    found = []
    for entry in said.get("volumes") or ():
        kind, source = entry.get("type") or "volume", entry.get("source") or ""
        if kind == "volume" and source in declared:
            source = declared[source].name
        found.append(Mount(kind, source, entry.get("target") or "", not entry.get("read_only")))
    found += [Mount("tmpfs", "", str(text).partition(":")[0]) for text in said.get("tmpfs") or ()]
    if said.get("use_api_socket"):
        found.append(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"))
    return found


def _service_unbound(said: Json) -> str:
    powers = {str(power).upper().removeprefix("CAP_") for power in said.get("cap_add") or ()} & _POWERS
    pid = str(said.get("pid") or "")
    ways = [
        "privileged" if said.get("privileged") else "",
        *sorted(powers),
        "devices" if said.get("devices") else "",
        f"pid {pid}" if pid else "",
    ]
    return ", ".join(filter(None, ways))


def _copies(said: Json) -> int:
    replicas = (said.get("deploy") or {}).get("replicas")
    count = said.get("scale") if said.get("scale") is not None else replicas
    return int(count) if isinstance(count, int) else 1


def _hooks(said: Json) -> list[tuple[str, ...]]:
    return [
        _literal(hook.get("command") or ())
        for kind in ("post_start", "pre_stop")
        for hook in said.get(kind) or ()
    ]


def _outside(said: Json) -> str:
    if said.get("provider"):
        return "another program provides it, which cannot be judged"
    watched = (said.get("develop") or {}).get("watch") or ()
    return "watched folders would be copied into it" if watched and said.get("volumes") else ""
