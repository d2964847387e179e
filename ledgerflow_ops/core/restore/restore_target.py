"""What a restore is aimed at: the server, the database as it is now, who uses it, and the room there is."""

from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.core.catalog.manifest import RoleFacts, Source
from ledgerflow_ops.core.sizes import format_size


@dataclass(frozen=True, slots=True)
class TargetSession:
    """Somebody connected to the live database. `since` is None where the server does not tell us."""

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
    """What runs beside the database in its Compose project and may use it, and the command that stops it."""

    running: tuple[str, ...] = ()
    stop: str = ""

    def __str__(self) -> str:
        return ", ".join(self.running)


@dataclass(frozen=True, slots=True)
class LiveDatabase:
    """The environment's database as it is now. `relations` counts the tables, views and sequences in it."""

    source: Source
    relations: int


@dataclass(frozen=True, slots=True)
class TargetServer:
    """The server and what our account may do there: `tablespaces` are those it may put something into."""

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
    """Where the restore would go. `live` is None when the database is absent.

    `sample` says that it is the environment's sample, and nobody's books. `prepared` are the identifiers of
    its prepared transactions, which outlive their sessions.
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
    """A file system: what is needed there and what is free (None: it cannot be seen from here)."""

    where: str
    needed: int
    free: int | None

    @property
    def lacking(self) -> bool:
        """Whether it is known to be too full."""
        return self.free is not None and self.free < self.needed

    @property
    def figures(self) -> str:
        """What is needed and what is free, in words."""
        return f"{format_size(self.needed)} needed, {format_size(self.free or 0)} free"
