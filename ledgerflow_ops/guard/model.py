"""What there is: an engine's volumes and containers, a compose file's services, what we protect ourselves."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledgerflow_ops.guard.host_paths import host_places, overlap, within

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
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class Stdin(StrEnum):
    """What standard input is."""

    TERMINAL = "terminal"
    NOTHING = "nothing"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of the engine, with its driver and the driver's options."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
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
class Hook:
    """A program that Compose runs in a service's container when it starts or stops it."""

    command: tuple[str, ...]
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a compose file, with its volumes under the names that the engine knows them by."""

    name: str
    process: Process
    copies: int = 1
    at_start: tuple[Hook, ...] = ()
    at_stop: tuple[Hook, ...] = ()
    at_change: tuple[Hook, ...] = ()
    """What `watch` runs when files of the host have changed."""
    health: tuple[str, ...] = ()
    """The program that says, again and again, whether it is well."""
    outside: str = ""
    """The other program that Compose would have provide it, in words."""
    watched: tuple[str, ...] = ()
    """The folders in it that changed files of the host are copied into."""
    pull: str = ""
    """Its `pull_policy`: when its image is fetched anew; empty for the rule, when it is not there."""
    built: bool = False
    """Whether the file says how its image is built."""


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


def _in_a_home(target: str) -> bool:
    return any(within(target, home) for home in _HOMES)
