"""What every operation is given: the settings, a clock, somebody to report to, and who asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.store import BackupStore, StoredFile
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.data_rules import DataRule
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, SilentReporter
from ledgerflow_ops.sections import EnvironmentSettings

if TYPE_CHECKING:
    from ledgerflow_ops.adapters.cluster.server_home import ServerHome
    from ledgerflow_ops.adapters.connection.database import Database
    from ledgerflow_ops.adapters.programs.client_tools import Tools
    from ledgerflow_ops.adapters.services.container import Container
    from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres

_NO_RUN = RunFacts(run_id="", who="", why="")


@dataclass(frozen=True)
class OperationContext:
    """Where operations are ordered. `clock` returns the present instant, aware."""

    settings: Settings
    reporter: Reporter = field(default_factory=SilentReporter)
    clock: Callable[[], datetime] = clock.now
    run: RunFacts = _NO_RUN

    @property
    def embedded(self) -> "EmbeddedPostgres":
        from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres

        return EmbeddedPostgres(self.settings.state_dir)

    @property
    def lodging(self) -> "ServerHome":
        from ledgerflow_ops.adapters.cluster.server_home import home_of

        return home_of(self.settings.state_dir)

    def tools(self) -> "list[Tools]":
        """All client programs there are here, in the order of choice."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.candidates(self.settings.tools_dir, self.fetched())

    def fetched(self) -> "list[Tools]":
        """The programs of other versions that `make tools` has fetched."""
        from ledgerflow_ops.adapters.programs import fetched_tools

        return fetched_tools.there(self.lodging.shelf)

    def client_tools(self, server_version: str) -> "Tools":
        """The programs to back up a server of that version with; LedgerError where all are older."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.choose(self.settings.tools_dir, server_version, self.fetched())

    def server_tools(self, major: int) -> "Tools":
        """The programs of a server to restore into; CannotJudge where all are older than `major`."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.server(self.settings.tools_dir, major, self.fetched())

    def journal(self, what: str, fields: Mapping[str, Any]) -> None:
        """Note what was done, when, by whom and why."""
        from ledgerflow_ops.adapters.system import journal_file

        entry = {"what": what, "at": self.clock().isoformat(), **self.run.model_dump(), **fields}
        journal_file.append(self.settings.state_dir, entry)

    def env(self, environment: Environment) -> "EnvironmentContext":
        """One environment, as the operations use it."""
        return EnvironmentContext(self, environment)

    def signed(self, run: RunFacts) -> "OperationContext":
        """The same desk for work ordered in `run`."""
        return replace(self, run=run)


@dataclass(frozen=True)
class EnvironmentContext:
    """An environment at hand: its settings, its backups, its database."""

    ctx: OperationContext
    environment: Environment
    location: Path | None = None
    """The folder that the backups lie in, if not the environment's primary one."""

    @property
    def settings(self) -> EnvironmentSettings:
        return self.ctx.settings.environments[self.environment]

    @property
    def store(self) -> BackupStore:
        """Where its backups lie, in this location."""
        return LocalStore(self.location or self.ctx.settings.folder(self.environment))

    def file(self, name: str) -> StoredFile:
        """A file of a backup that holds data: dump, files, roles. Records are read from the store itself."""
        return StoredFile(self.store, name, self.codec)

    @property
    def codec(self) -> Codec:
        """How files that hold data are stored."""
        return PLAIN

    def locations(self) -> list["EnvironmentContext"]:
        """The environment at every place that holds backups of it: the primary folder first."""
        roots = self.ctx.settings.archive_roots
        return [self, *(replace(self, location=root / self.environment) for root in roots)]

    @property
    def is_sample(self) -> bool:
        """Whether neither a URL nor a container is set, so that the sample database stands in."""
        return self.settings.url is None and self.settings.compose is None

    @property
    def container(self) -> "Container | None":
        """The container that the environment's PostgreSQL lives in, where the settings name one."""
        compose = self.settings.compose
        if compose is None:
            return None
        from ledgerflow_ops.adapters.services.container import Container

        return Container(
            compose.project, compose.file, compose.service, compose.env_file, compose.application
        )

    @property
    def rules(self) -> tuple[DataRule, ...]:
        """The environment's data rules; the sample brings its own."""
        from ledgerflow_ops import sample

        return (*self.settings.data_rules, *(sample.RULES if self.is_sample else ()))

    def database(self) -> "Database":
        """The environment's database; the sample's is started and made if needed."""
        from ledgerflow_ops.adapters.connection.database import Database

        if self.container:
            return self._contained(self.container)
        url = self.settings.url
        if url is None:
            return self.ctx.embedded.sample(self.environment).within(self.settings.limits)
        found = Database.of(url, f"environments.{self.environment}.database_url")
        return found.within(self.settings.limits)

    def target(self) -> "Database":
        """Where a restore goes, as the account that may restore; the database need not be there."""
        from ledgerflow_ops.adapters.connection.database import Database

        if self.container:
            return self._contained(self.container)
        url = self.settings.admin_url or self.settings.url
        if url is None:
            return self.ctx.embedded.named(self.environment).within(self.settings.limits)
        found = Database.of(url, f"environments.{self.environment}.admin_database_url")
        return found.within(self.settings.limits)

    def _contained(self, container: "Container") -> "Database":
        """The database that the settings name, or else the container, as its superuser or theirs."""
        from ledgerflow_ops.adapters.connection.database import Database

        found, compose = container.look(), self.settings.compose
        assert compose is not None
        names = {"user": compose.user or found.user, "dbname": compose.database or found.database}
        return Database(names, found, self.settings.limits)

    def today(self) -> date:
        """The calendar day in the environment's time zone."""
        return self.ctx.clock().astimezone(self.settings.zone).date()
