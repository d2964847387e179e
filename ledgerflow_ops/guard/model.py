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
    """A volume of the engine or of a compose file; Compose neither creates nor removes an `external` one."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)
    external: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """The folders of the host that hold its data, by the options of its driver."""
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
        return any(within(self.target, home) for home in _HOMES) or bool(
            pgdata and overlap(pgdata, self.target)
        )


@dataclass(frozen=True, slots=True)
class Process:
    """What a container runs, and where.

    `unbound`: how it could leave the container's isolation, in words. `networks` are those that a service
    joins, `host` and `container:NAME` among them. `image_id` is that of its creation, empty if unknown.
    """

    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    pgdata: str = ""
    unbound: str = ""
    networks: frozenset[str] = frozenset()
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the engine, running or not.

    `published`: whether ports of it are, on the host. `addresses` are its IP addresses, `database` is the one
    that its image makes (POSTGRES_DB).
    """

    id: str
    name: str
    process: Process
    running: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    published: bool = False
    addresses: frozenset[str] = frozenset()
    database: str = ""
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
        exact = [it for it in self.containers if bare in (it.name, it.id)]
        matches = exact or [it for it in self.containers if bare and it.id.startswith(bare)]
        return matches[0] if len(matches) == 1 or exact else None

    def of(self, project: str, services: Iterable[str] = ()) -> list[Container]:
        """A project's containers, of these services or of all."""
        wanted = set(services)
        ours = (it for it in self.containers if project and it.project == project)
        return [it for it in ours if not wanted or it.service in wanted]

    def holders(self, volume: str) -> list[Container]:
        held = ("volume", volume)
        return [it for it in self.containers if held in {(at.kind, at.source) for at in it.process.mounts}]


@dataclass(frozen=True, slots=True)
class Hook:
    """A program that Compose runs in a service's container when it starts or stops it."""

    command: tuple[str, ...]
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a compose file, with its volumes under the names that the engine knows them by.

    `at_start` also runs by `watch` when files of the host have changed; `watched` are the folders in it into
    which these are copied. `provided`: a program of its own implements it. `pull` is its `pull_policy`.
    """

    name: str
    process: Process
    copies: int = 1
    at_start: tuple[Hook, ...] = ()
    at_stop: tuple[Hook, ...] = ()
    health: tuple[str, ...] = ()
    provided: bool = False
    watched: tuple[str, ...] = ()
    pull: str = ""
    built: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project. Only its name is always known; `unread` says why its file could not be read."""

    name: str
    services: tuple[Service, ...] = ()
    volumes: tuple[Volume, ...] = ()
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class ConfiguredProtection:
    """What the settings and our records protect, in addition to labels and mounts.

    `projects` maps Compose projects to environments; `folders` are the host's; `remembered` are volumes that
    were mounted at a PostgreSQL's data folder, with their environments, empty for another project's.
    `trouble` says what is wrong with the settings file, which then protects nothing.
    """

    volumes: frozenset[str] = frozenset()
    projects: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    remembered: Mapping[str, str] = field(default_factory=dict)
    every_postgres: bool = False
    fresh_minutes: int = 60
    trouble: str = ""
