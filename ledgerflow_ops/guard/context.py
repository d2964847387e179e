"""The state of the engine, the project and the host that a verdict depends on, and what is protected."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import (
    ENVIRONMENT,
    PROJECT,
    PROTECT,
    ConfiguredProtection,
    Container,
    Engine,
    Mount,
    Process,
    Project,
    Stdin,
    Volume,
)

_SAYS_SO = re.compile(r"postgres|pgdata|pg_data", re.IGNORECASE)
_SOCKETS = tuple(
    f"{place}/{name}"
    for place in ("/var/run", "/run")
    for name in ("docker.sock", "containerd", "docker/containerd")
)
_READ_ONLY_ALL_THE_WAY = (1, 44)
_OURS = re.compile(r"ledger-(dev|test|prod)")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")
_NAMELESS = frozenset(("none", "host", "bridge", "default"))
"""Networks on which no container has a name."""
_HOSTS = frozenset(("host.docker.internal", "gateway.docker.internal", "host-gateway", "172.17.0.1"))
"""What a container calls the machine that it runs on."""


@dataclass(frozen=True)  # without slots, so that cached properties work
class Scene:
    """All that a verdict depends on besides the command line. `silent`: why the engine did not answer.

    `folder` is the working directory of the command; `images` are those that the call names: the program that
    each starts, the volumes that it declares. `elsewhere`: for each context, whether it leads to another
    engine than the one in use. `socket` is the engine's on this machine, empty if it has none here. `disks`
    maps each protected folder to the mount point of its file system, `links` paths of the host that the call
    or the engine name to what they resolve to. `outputs` are what the file of a build names as such.
    `orphans_go`: whether COMPOSE_REMOVE_ORPHANS has the effect of --remove-orphans.
    """

    engine: Engine = field(default_factory=Engine)
    silent: str = ""
    project: Project | None = None
    guarded: ConfiguredProtection = field(default_factory=ConfiguredProtection)
    stdin: Stdin = Stdin.NOTHING
    folder: str = "/"
    images: Mapping[str, Process] = field(default_factory=dict)
    elsewhere: Mapping[str, bool] = field(default_factory=dict)
    socket: str = ""
    disks: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    orphans_go: bool = False

    @property
    def project_name(self) -> str:
        """The name of the Compose project that the call affects; empty for none."""
        return self.project.name if self.project else ""

    def environment(self) -> str:
        """The environment of that project; empty if it is unknown."""
        return self.environment_of_project(self.project_name)

    def environment_of_project(self, name: str) -> str:
        """The environment of a Compose project; empty if it is unknown."""
        ours = _OURS.fullmatch(name)
        return self.guarded.projects.get(name) or (ours[1] if ours else "")

    def environment_of(self, labels: Mapping[str, str]) -> str:
        """The environment of an object with these labels; empty if it is unknown."""
        return labels.get(ENVIRONMENT) or self.environment_of_project(labels.get(PROJECT, ""))

    def environment_of_volume(self, name: str) -> str:
        """The environment of a volume, by its labels, our records, or the containers that mount it."""
        volume = self.engine.volume(name)
        known = (volume and self.environment_of(volume.labels)) or self.guarded.remembered.get(name)
        held = {self.environment_of(holder.labels) for holder in self.engine.holders(name)}
        return known or (held.pop() if len(held) == 1 else "")

    def held_postgres(self) -> set[str]:
        """The existing volumes that hold, or have held, a PostgreSQL's data."""
        every = replace(self, guarded=replace(self.guarded, every_postgres=True), project=None)
        known = {*every.at_data_folders(), *self.guarded.remembered}
        return {volume.name for volume in self.engine.volumes if volume.name in known}

    def ours(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is LedgerFlow's, or is to be protected like it."""
        return self.guarded.every_postgres or bool(self.environment_of(labels)) or _says(labels, _YES)

    def databases(self) -> list[Container]:
        """The containers that hold protected data."""
        return [
            container
            for container in self.engine.containers
            for mount in self.data(container.process)[:1]
            if mount.kind == "volume" or mount.is_data(container.process.pgdata)
        ]

    def own_names(self) -> set[str]:
        """The names by which another project could speak to a protected database, or be taken for its own."""
        names = {*self.guarded.projects, "ledger-dev", "ledger-test", "ledger-prod"}
        for container in self.databases():
            networks = container.networks - _NAMELESS
            names |= {*_names_of(container), container.id[:12], container.project, *networks}
        return names - {""}

    def reached(
        self, networks: frozenset[str], labels: Mapping[str, str], words: Iterable[str] = ()
    ) -> list[Container]:
        """The protected databases that a container with these networks and labels could speak to.

        By its project or environment; by a network on which the database has a name; by the network namespace
        of the database; on the host's, by a published port; and by a name of the database in its own `words`.
        """
        environment, project = self.environment_of(labels), labels.get(PROJECT, "")
        shared = {network.removeprefix("container:") for network in networks} - _NAMELESS
        named = set(re.split(r"[^\w.-]+", "\n".join(words)))
        on_host = "host" in networks
        return [
            other
            for other in self.databases()
            if (environment and environment == self.environment_of(other.labels))
            or (project and project == other.project)
            or shared & {other.name, other.id, *(name.removeprefix("container:") for name in other.networks)}
            or (on_host and (other.published or "host" in other.networks))
            or named & (_names_of(other) | (_HOSTS if other.published else set()))
        ]

    @cached_property
    def protected(self) -> dict[str, str]:
        """The engine's protected volumes, each with the reason."""
        at_data = self.at_data_folders()
        reasons = {volume.name: self._reason(volume, at_data) for volume in self.engine.volumes}
        return {name: reason for name, reason in reasons.items() if reason}

    def _reason(self, volume: Volume, at_data: Mapping[str, str]) -> str:
        if _says(volume.labels, _YES):
            return "its label says so"
        if volume.name in self.guarded.volumes:
            return "the settings name it"
        for place in volume.places:
            if any(self.reaches(place, folder) for folder in self.folders):
                return f"it is {place} of the host"
        if _says(volume.labels, _NO):
            return ""
        if volume.name in at_data:
            return at_data[volume.name]
        whose = self.ours(volume.labels)
        if volume.name in self.guarded.remembered and (whose or self.guarded.remembered[volume.name]):
            return "a PostgreSQL has kept its data in it"
        if _SAYS_SO.search(volume.name) and (whose or "ledger" in volume.name.lower()):
            return "its name is that of a PostgreSQL's volume"
        return ""

    def at_data_folders(self) -> dict[str, str]:
        """The volumes at the data folder of a PostgreSQL of ours, in the compose file or in a container."""
        using = [
            (service.process, f"the service {service.name} keeps PostgreSQL's data in it")
            for service in (self.project.services if self.project else ())
            if self.ours({PROJECT: self.project_name})
        ]
        using += [
            (container.process, f"the PostgreSQL in {container.name} keeps its data in it")
            for container in self.engine.containers
            if self.ours(container.labels)
        ]
        return {
            mount.source: reason
            for process, reason in using
            for mount in process.mounts
            if mount.kind == "volume" and mount.is_data(process.pgdata)
        }

    @cached_property
    def folders(self) -> dict[str, str]:
        """The host's protected folders, each with the reason."""
        reasons = dict.fromkeys(self.guarded.folders, "backups and their proofs are there")
        reasons[self.engine.root] = "the engine keeps all volumes there"
        reasons |= dict.fromkeys(self.sockets(), "it gives control of the engine")
        for container in self.engine.containers:
            for mount in container.process.mounts if self.ours(container.labels) else ():
                if mount.kind == "bind" and mount.is_data(container.process.pgdata) and mount.writable:
                    reasons[mount.source] = f"the PostgreSQL in {container.name} keeps its data there"
        return reasons

    def sockets(self) -> tuple[str, ...]:
        """The engine's sockets: access to one gives full control of the engine."""
        return tuple(filter(None, (*_SOCKETS, self.socket)))

    def off_limits(self) -> set[str]:
        """The folders that not even a PostgreSQL may mount as its data folder."""
        return {*self.guarded.folders, self.engine.root}

    def on_host(self, path: str) -> str:
        """A path of the host as typed, absolute and not normalized: a link before `..` matters."""
        return posixpath.join(self.folder, path)

    def reaches(self, path: str, folder: str) -> bool:
        """Whether a path of the host, as written or resolved, is in a folder or contains it."""
        return overlap(path, folder) or overlap(self.links.get(path, path), folder)

    def beneath(self, source: str, folder: str) -> bool:
        """Whether a folder is writable through a read-only bind: before API 1.44, mounts beneath it are."""
        disk = self.disks.get(folder, "")
        held = bool(disk) and within(disk, source) and not within(source, disk)
        return held and self.engine.api < _READ_ONLY_ALL_THE_WAY

    def data(self, process: Process) -> list[Mount]:
        """A container's mounts through which protected data can be changed."""
        return [mount for mount in process.mounts if mount.writable and self._holds_data(mount)]

    def _holds_data(self, mount: Mount) -> bool:
        if mount.kind == "bind":
            return any(self.reaches(mount.source, folder) for folder in self.folders)
        return mount.kind == "volume" and mount.source in self.protected


def _says(labels: Mapping[str, str], words: tuple[str, ...]) -> bool:
    return labels.get(PROTECT, "").lower() in words


def _names_of(database: Container) -> set[str]:
    """What a container's words could call a database by: its container, its addresses, a telling name."""
    telling = database.database if re.search("ledger|dev|test|prod", database.database) else ""
    return {database.name, telling, *database.addresses} - {""}
