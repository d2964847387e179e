"""The target of a restore: the server, the database as it is now, who uses it, and the free space."""

from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.core.catalog.manifest import RoleFacts, Source
from ledgerflow_ops.core.sizes import format_size


@dataclass(frozen=True, slots=True)
class TargetSession:
    """A session on the live database. `since` is None where our account may not see it."""

    user: str
    application: str
    since: datetime | None
    where: str

    def __str__(self) -> str:
        name = self.application or "an unnamed application"
        since = f"{self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else "an unknown time"
        return f"{name} as {self.user} from {self.where}, since {since}"


@dataclass(frozen=True, slots=True)
class Application:
    """The other running services of the database's Compose project, and the command that stops them."""

    running: tuple[str, ...] = ()
    stop: str = ""

    def __str__(self) -> str:
        return ", ".join(self.running)


@dataclass(frozen=True, slots=True)
class LiveDatabase:
    """The environment's database as it is now. `relations` counts its tables, views and sequences."""

    source: Source
    relations: int


@dataclass(frozen=True, slots=True)
class TargetServer:
    """The server and our account's rights there. `tablespaces` are those in which it may create objects."""

    version: str
    major: int
    account: str
    superuser: bool
    createdb: bool
    createrole: bool
    owns_live: bool
    roles: dict[str, RoleFacts]
    extensions: frozenset[str]
    locales: frozenset[str]
    tablespaces: frozenset[str] = frozenset({"pg_default"})


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """The target of a restore. `live` is None when the database does not exist.

    `sample` says that it is the sample database. `prepared` are the identifiers of its prepared transactions,
    which outlive their sessions (PostgreSQL manual, PREPARE TRANSACTION).
    """

    database: str
    server: TargetServer
    live: LiveDatabase | None
    sample: bool
    sessions: tuple[TargetSession, ...] = ()
    application: Application = Application()
    prepared: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return self.live is None or self.live.relations == 0


@dataclass(frozen=True, slots=True)
class RequiredSpace:
    """A file system: bytes needed there, and bytes free (None: they cannot be measured from here)."""

    where: str
    needed: int
    free: int | None

    @property
    def lacking(self) -> bool:
        """Whether it is known to lack space."""
        return self.free is not None and self.free < self.needed

    @property
    def figures(self) -> str:
        """The needed and the free space as people read them."""
        return f"{format_size(self.needed)} needed, {format_size(self.free or 0)} free"
