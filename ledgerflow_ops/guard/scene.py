"""What there is around a command line: the engine's volumes and containers, the compose file, us."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledgerflow_ops.guard.hostpaths import host_places, overlap, within

PROTECT = "com.ledgerflow.protect"
"""The label that protects a volume, whatever is in it."""
ENVIRONMENT = "com.ledgerflow.environment"
"""The label that says whose a volume or a container is, where its project's name does not."""
COPY_OF = "com.ledgerflow.copy-of"
"""The label of a copy that a volume's data are in while the volume is made anew."""
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"

_HOMES = ("/var/lib/postgresql", "/bitnami/postgresql", posixpath.join("/home", "postgres"), "/pgdata")
"""Where images of PostgreSQL keep their data: official, Bitnami, Timescale, CloudNative and Crunchy."""
_SAYS_SO = re.compile(r"postgres|pgdata|pg_data", re.IGNORECASE)
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_READ_ONLY_ALL_THE_WAY = (1, 44)
_OURS = re.compile(r"ledger-(dev|test|prod)")


class Stdin(StrEnum):
    """What standard input is."""

    TERMINAL = "terminal"
    NOTHING = "nothing"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of the engine. `device` is what a bind-like one really is."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> tuple[str, ...]:
        """The folders of the host that it really is."""
        return host_places(self.options)

    @property
    def anonymous(self) -> bool:
        return "com.docker.volume.anonymous" in self.labels or bool(_ANONYMOUS.fullmatch(self.name))


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder in a container. `source` is a volume's name, or a path of the host for a bind."""

    kind: str
    source: str
    target: str
    writable: bool = True

    def is_data(self, pgdata: str) -> bool:
        """Whether PostgreSQL keeps its data there."""
        return _in_a_home(self.target) or bool(pgdata and overlap(pgdata, self.target))


@dataclass(frozen=True, slots=True)
class Process:
    """What a container runs, and where."""

    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    pgdata: str = ""
    unbound: str = ""
    """How it could leave the container's bounds, in words; empty when it cannot."""
    image_id: str = ""
    """What the image's name stands for, or stood for when the container was made; empty when not known."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the engine, running or not."""

    id: str
    name: str
    process: Process
    running: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    removes_itself: bool = False
    reads_input: bool = False
    workdir: str = "/"

    @property
    def project(self) -> str:
        return self.labels.get(PROJECT, "")

    @property
    def service(self) -> str:
        return self.labels.get(SERVICE, "")

    @property
    def one_off(self) -> bool:
        return self.labels.get(ONE_OFF, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine as it is now. `root` is where it keeps its data; `api` the version both sides speak."""

    volumes: tuple[Volume, ...] = ()
    containers: tuple[Container, ...] = ()
    id: str = ""
    root: str = "/var/lib/docker"
    api: tuple[int, int] = (1, 41)

    def volume(self, name: str) -> Volume | None:
        return next((volume for volume in self.volumes if volume.name == name), None)

    def container(self, name: str) -> Container | None:
        """The container of that name, or whose id begins so."""
        bare = name.removeprefix("/")
        exact = [one for one in self.containers if bare in (one.name, one.id)]
        found = exact or [one for one in self.containers if bare and one.id.startswith(bare)]
        return found[0] if len(found) == 1 or exact else None

    def of(self, project: str, services: Iterable[str] = ()) -> list[Container]:
        """A project's containers; of all its services when none is named."""
        wanted = set(services)
        return [
            one
            for one in self.containers
            if project and one.project == project and (not wanted or one.service in wanted)
        ]

    def holders(self, volume: str) -> list[Container]:
        return [
            one
            for one in self.containers
            if any(mount.kind == "volume" and mount.source == volume for mount in one.process.mounts)
        ]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a compose file, with its volumes under the names that the engine knows them by."""

    name: str
    process: Process
    copies: int = 1
    hooks: tuple[tuple[str, ...], ...] = ()
    health: tuple[str, ...] = ()
    """The program that says, again and again, whether it is well."""
    outside: str = ""
    """The other program that Compose would have provide it, in words."""
    watched: tuple[str, ...] = ()
    """The folders in it that changed files of the host are copied into."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A volume as the compose file has it. An external one is not Compose's to make or remove."""

    name: str
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project: its name always, the rest as far as its file could be read."""

    name: str
    services: tuple[Service, ...] = ()
    volumes: tuple[Declared, ...] = ()
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    unread: str = ""
    """Why the compose file could not be read; empty when it was."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the settings and our own notes protect beside what labels and mounts say.

    `projects` says whose a compose project is; `folders` are the host's; `remembered` are volumes that have
    been seen at PostgreSQL's data folder, which they may no longer be mounted at.
    """

    volumes: frozenset[str] = frozenset()
    projects: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    remembered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a verdict hangs on beside the command line. `silent`: why the engine could not be asked."""

    engine: Engine = Engine()
    silent: str = ""
    project: Project | None = None
    guarded: Guarded = Guarded()
    stdin: Stdin = Stdin.NOTHING
    folder: str = "/"
    """Where the command is typed: relative paths begin there."""
    images: Mapping[str, Process] = field(default_factory=dict)
    """What is known of the images that the call names: the program they start, the volumes they ask for."""
    elsewhere: Mapping[str, bool] = field(default_factory=dict)
    """For each context: whether it leads to another engine than the one in use."""

    socket: str = ""
    """The engine's own socket, where it is not one of the usual."""
    disks: Mapping[str, str] = field(default_factory=dict)
    """For each protected folder of the host: where the file system that it is on is mounted."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Paths of the host that the call or the engine name, and where links and other names of them lead."""

    def environment_of_project(self, name: str) -> str:
        """Whose a compose project is; empty when that is not known."""
        ours = _OURS.fullmatch(name)
        return self.guarded.projects.get(name) or (ours[1] if ours else "")

    def environment_of(self, labels: Mapping[str, str]) -> str:
        """Whose a thing with these labels is."""
        return labels.get(ENVIRONMENT) or self.environment_of_project(labels.get(PROJECT, ""))

    def environment_of_volume(self, name: str) -> str:
        """Whose a volume is: by its labels, by our notes, by the containers that hold it."""
        volume = self.engine.volume(name)
        said = self.environment_of(volume.labels) if volume else ""
        if said or self.guarded.remembered.get(name):
            return said or self.guarded.remembered[name]
        held = {self.environment_of(one.labels) for one in self.engine.holders(name)}
        return held.pop() if len(held) == 1 else ""

    def held_postgres(self) -> set[str]:
        """The volumes that are known to hold a PostgreSQL's data, now or from before, and are still there."""
        known = {*_at_data_folders(self.engine, None), *self.guarded.remembered}
        return {volume.name for volume in self.engine.volumes if volume.name in known}

    def protected(self) -> dict[str, str]:
        """The engine's protected volumes, each with the reason."""
        at_data = _at_data_folders(self.engine, self.project)
        found = {}
        for volume in self.engine.volumes:
            reason = self._reason(volume, at_data)
            if reason:
                found[volume.name] = reason
        return found

    def _reason(self, volume: Volume, at_data: Mapping[str, str]) -> str:
        if volume.labels.get(PROTECT, "").lower() in ("true", "1", "yes"):
            return "it is labelled so"
        if volume.name in self.guarded.volumes:
            return "the settings name it"
        for place in volume.places:
            if any(self.reaches(place, folder) for folder in self.folders()):
                return f"it is {place} of the host"
        if volume.labels.get(PROTECT, "").lower() in ("false", "0", "no"):
            return ""
        if volume.name in at_data:
            return at_data[volume.name]
        if volume.name in self.guarded.remembered:
            return "a PostgreSQL was seen to keep its data in it"
        return "its name says that it is PostgreSQL's" if _SAYS_SO.search(volume.name) else ""

    def folders(self) -> dict[str, str]:
        """The host's protected folders, each with the reason."""
        found = dict.fromkeys(self.guarded.folders, "backups and what proves them are there")
        found[self.engine.root] = "the engine keeps all volumes there"
        found |= dict.fromkeys(self.sockets(), "whoever has it commands the engine")
        for one in self.engine.containers:
            for mount in one.process.mounts:
                if mount.kind == "bind" and mount.is_data(one.process.pgdata) and mount.writable:
                    found[mount.source] = f"the PostgreSQL in {one.name} keeps its data there"
        return found

    def sockets(self) -> tuple[str, ...]:
        """Where the engine is spoken to: whoever may read there may do anything."""
        return tuple(filter(None, ("/var/run/docker.sock", "/run/docker.sock", self.socket)))

    def off_limits(self) -> set[str]:
        """The folders in which not even a PostgreSQL may keep its data."""
        return {*self.guarded.folders, self.engine.root}

    def reaches(self, path: str, folder: str) -> bool:
        """Whether a path of the host, as written or as links lead, is in a folder or holds it."""
        return overlap(path, folder) or overlap(self.links.get(path, path), folder)

    def beneath(self, source: str, folder: str) -> bool:
        """Whether a read-only bind leaves a folder writable: before API 1.44, what is mounted beneath it."""
        disk = self.disks.get(folder, "")
        held = bool(disk) and within(disk, source) and not within(source, disk)
        return held and self.engine.api < _READ_ONLY_ALL_THE_WAY

    def unfinished(self, process: Process) -> list[str]:
        """The volumes that a process would mount while their data are being moved."""
        moving = {volume.labels[COPY_OF] for volume in self.engine.volumes if COPY_OF in volume.labels}
        return [mount.source for mount in process.mounts if mount.source in moving]

    def data(self, process: Process) -> list[Mount]:
        """A container's mounts that protected data can be changed through."""
        volumes, folders = self.protected(), self.folders()
        return [
            mount
            for mount in process.mounts
            if mount.writable
            and (
                (mount.kind == "volume" and mount.source in volumes)
                or (mount.kind == "bind" and any(self.reaches(mount.source, folder) for folder in folders))
            )
        ]


def data_targets(mounts: Iterable[Mount]) -> tuple[str, ...]:
    return tuple(mount.target for mount in mounts)


def _at_data_folders(engine: Engine, project: Project | None) -> dict[str, str]:
    """The volumes at a PostgreSQL's data folder, in a container or in the compose file at hand."""
    found = {}
    for one in engine.containers:
        for mount in one.process.mounts:
            if mount.kind == "volume" and mount.is_data(one.process.pgdata):
                found[mount.source] = f"the PostgreSQL in {one.name} keeps its data in it"
    for service in project.services if project else ():
        for mount in service.process.mounts:
            if mount.kind == "volume" and mount.is_data(service.process.pgdata):
                found.setdefault(mount.source, f"the service {service.name} keeps PostgreSQL's data in it")
    return found


def _in_a_home(target: str) -> bool:
    return any(within(target, home) for home in _HOMES)
