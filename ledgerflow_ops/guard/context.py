"""What there is around a command line, and what of it is protected."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ledgerflow_ops.guard.host_paths import overlap, within
from ledgerflow_ops.guard.model import (
    COPY_OF,
    ENVIRONMENT,
    PROJECT,
    PROTECT,
    Engine,
    Guarded,
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


@dataclass(frozen=True)  # without slots, so that what is protected is worked out once
class Scene:
    """All that a verdict hangs on beside the command line. `silent`: why the engine could not be asked."""

    engine: Engine = field(default_factory=Engine)
    silent: str = ""
    project: Project | None = None
    guarded: Guarded = field(default_factory=Guarded)
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
    orphans_go: bool = False
    """Whether COMPOSE_REMOVE_ORPHANS says what --remove-orphans does."""
    inside: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """For a container's id and a path in it: where links in it lead; empty where that cannot be told."""

    @property
    def project_name(self) -> str:
        """The project that a call of Compose is about; empty for none."""
        return self.project.name if self.project else ""

    def environment(self) -> str:
        """Whose that project is; empty when that is not known."""
        return self.environment_of_project(self.project_name)

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

    @cached_property
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
            if any(self.reaches(place, folder) for folder in self.folders):
                return f"it is {place} of the host"
        if volume.labels.get(PROTECT, "").lower() in ("false", "0", "no"):
            return ""
        if volume.name in at_data:
            return at_data[volume.name]
        if volume.name in self.guarded.remembered:
            return "a PostgreSQL was seen to keep its data in it"
        return "its name says that it is PostgreSQL's" if _SAYS_SO.search(volume.name) else ""

    @cached_property
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
        return tuple(filter(None, (*_SOCKETS, self.socket)))

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
        volumes, folders = self.protected, self.folders
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
