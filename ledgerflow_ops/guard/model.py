"""The records of the guard: an engine's volumes and containers, a compose file's services, our protection."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledgerflow_ops.guard.host_paths import host_places, overlap, within

PROTECT = "com.ledgerflow.protect"
"""The label that protects a volume, whatever it contains."""
ENVIRONMENT = "com.ledgerflow.environment"
"""The label that names the environment of a volume or container, if its project's name does not."""
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_FILES = "com.docker.compose.project.config_files"

_HOMES = ("/var/lib/postgresql", "/bitnami/postgresql", posixpath.join("/home", "postgres"), "/pgdata")
"""Where images of PostgreSQL keep their data: official, Bitnami, Timescale, CloudNative and Crunchy."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class Stdin(StrEnum):
    """The kind of standard input."""

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
        """The folders of the host that hold its data, by its driver options."""
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
    """How it could leave the container's isolation, in words; empty if it cannot."""
    networks: frozenset[str] = frozenset()
    """The networks that it joins, `host` and `container:NAME` among them; a service's."""
    image_id: str = ""
    """The image's id, for a container as of its creation; empty if it is unknown."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the engine, running or not."""

    id: str
    name: str
    process: Process
    running: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    published: bool = False
    """Whether ports of it are published on the host."""
    addresses: frozenset[str] = frozenset()
    """Its IP addresses."""
    database: str = ""
    """The database that its image makes (POSTGRES_DB); empty for none."""
    removes_itself: bool = False
    reads_input: bool = False
    workdir: str = "/"

    @property
    def namespaces(self) -> set[str]:
        """The names of the containers whose network namespace it is in."""
        return {name.removeprefix("container:") for name in self.networks if name.startswith("container:")}

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
    """An engine's current state. `root` is its data folder; `api` the API version in use."""

    volumes: tuple[Volume, ...] = ()
    containers: tuple[Container, ...] = ()
    id: str = ""
    root: str = "/var/lib/docker"
    api: tuple[int, int] = (1, 41)

    def volume(self, name: str) -> Volume | None:
        return next((volume for volume in self.volumes if volume.name == name), None)

    def container(self, name: str) -> Container | None:
        """The container with that name, id or unique prefix of an id."""
        bare = name.removeprefix("/")
        exact = [container for container in self.containers if bare in (container.name, container.id)]
        matches = exact or [
            container for container in self.containers if bare and container.id.startswith(bare)
        ]
        return matches[0] if len(matches) == 1 or exact else None

    def of(self, project: str, services: Iterable[str] = ()) -> list[Container]:
        """A project's containers, of these services or of all."""
        wanted = set(services)
        return [
            container
            for container in self.containers
            if project and container.project == project and (not wanted or container.service in wanted)
        ]

    def holders(self, volume: str) -> list[Container]:
        return [
            container
            for container in self.containers
            if any(mount.kind == "volume" and mount.source == volume for mount in container.process.mounts)
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
    """What runs in it once it has started, and by `watch` when files of the host have changed."""
    at_stop: tuple[Hook, ...] = ()
    health: tuple[str, ...] = ()
    """The program of its health check."""
    outside: str = ""
    """The problem with a `provider` program that implements it, in words."""
    watched: tuple[str, ...] = ()
    """The folders in it into which changed files of the host are copied."""
    pull: str = ""
    """Its `pull_policy`; empty for the default, which pulls a missing image."""
    built: bool = False
    """Whether the file has a `build` section for it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A volume as declared in the compose file. Compose neither creates nor removes an external one."""

    name: str
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project. Only its name is always known; the rest needs a readable file."""

    name: str
    services: tuple[Service, ...] = ()
    volumes: tuple[Declared, ...] = ()
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    unread: str = ""
    """Why the compose file could not be read; empty if it was."""


@dataclass(frozen=True, slots=True)
class ConfiguredProtection:
    """What the settings and our records protect, in addition to labels and mounts.

    `projects` maps Compose projects to environments; `folders` are the host's; `remembered` are volumes that
    were mounted at a PostgreSQL's data folder, with their environments, empty for another project's.
    """

    volumes: frozenset[str] = frozenset()
    projects: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    remembered: Mapping[str, str] = field(default_factory=dict)
    every_postgres: bool = False
    """Whether another project's PostgreSQL is protected as well."""
    fresh_minutes: int = 60
    trouble: str = ""
    """What is wrong with the settings file, which then protects nothing."""


def _in_a_home(target: str) -> bool:
    return any(within(target, home) for home in _HOMES)
