"""The context that every operation receives: settings, clock, reporter, and the run that it belongs to."""

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
from ledgerflow_ops.core.catalog.naming import is_encrypted
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, SilentReporter
from ledgerflow_ops.location_settings import Location
from ledgerflow_ops.operations.locations import location_store
from ledgerflow_ops.sections import EnvironmentSettings

if TYPE_CHECKING:
    from ledgerflow_ops.adapters.cluster.server_home import ServerHome
    from ledgerflow_ops.adapters.connection.database import Database
    from ledgerflow_ops.adapters.programs.client_tools import Tools
    from ledgerflow_ops.adapters.services.container import Container
    from ledgerflow_ops.adapters.storage.age_keys import IdentitySource
    from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres

_NO_RUN = RunFacts(run_id="", who="", why="")


@dataclass(frozen=True)
class OperationContext:
    """What all operations of a process share. `clock` returns the present instant, with its time zone."""

    settings: Settings
    reporter: Reporter = field(default_factory=SilentReporter)
    clock: Callable[[], datetime] = clock.now
    run: RunFacts = _NO_RUN

    @property
    def embedded(self) -> "EmbeddedPostgres":
        from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres

        return EmbeddedPostgres(self.settings.state_dir)

    @property
    def server_home(self) -> "ServerHome":
        from ledgerflow_ops.adapters.cluster.server_home import make_server_home

        return make_server_home(self.settings.state_dir)

    def tools(self) -> "list[Tools]":
        """All client programs on this machine, in the order of choice."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.candidate_tools(self.settings.tools_dir, self.fetched_programs())

    def fetched_programs(self) -> "list[Tools]":
        """The programs of other versions that `make tools` has fetched."""
        from ledgerflow_ops.adapters.programs import fetched_tools

        return fetched_tools.list_fetched(self.server_home.programs_folder)

    def client_tools(self, server_version: str) -> "Tools":
        """The programs that back up a server of that version; LedgerError where all are older."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.choose_client_tools(
            self.settings.tools_dir, server_version, self.fetched_programs()
        )

    def server_tools(self, major: int) -> "Tools":
        """The server programs for a restore of that major version; CannotJudge where all are older."""
        from ledgerflow_ops.adapters.programs import client_tools

        return client_tools.choose_server_tools(self.settings.tools_dir, major, self.fetched_programs())

    def journal(self, what: str, fields: Mapping[str, Any]) -> None:
        """Append an entry to the journal: what was done, when, by whom and why. LedgerError if it cannot."""
        from ledgerflow_ops.adapters.system import journal_file

        entry = {"what": what, "at": self.clock().isoformat(), **self.run.model_dump(), **fields}
        journal_file.append_entry(self.settings.state_dir, entry)

    def env(self, environment: Environment) -> "EnvironmentContext":
        """The context of one environment."""
        return EnvironmentContext(self, environment)

    def with_run(self, run: RunFacts) -> "OperationContext":
        """The same context for work that belongs to `run`."""
        return replace(self, run=run)


@dataclass(frozen=True)
class EnvironmentContext:
    """One environment: its settings, its backups, its database."""

    ctx: OperationContext
    environment: Environment
    location: Path | None = None
    """The folder of its backups, if it is not the environment's primary one."""
    archive: Location | None = None
    """The archive location of its backups; None for the primary folder."""
    escrowed: bool = False
    """Whether encrypted backups are read with the escrowed identity alone, as the key-survival drill does."""

    @property
    def settings(self) -> EnvironmentSettings:
        return self.ctx.settings.environments[self.environment]

    @property
    def store(self) -> BackupStore:
        """The store of its backups in this location."""
        if self.archive and self.location is None:
            return location_store(self.archive, self.environment)
        return LocalStore(self.location or self.ctx.settings.folder(self.environment))

    def file(self, name: str) -> StoredFile:
        """A data file of a backup: dump, files, roles. Records are read from the store directly."""
        return StoredFile(self.store, name, self._age if is_encrypted(name) else PLAIN)

    @property
    def codec(self) -> Codec:
        """How the data files of new backups are encoded in the store."""
        return self._age if self.encrypts else PLAIN

    @property
    def encrypts(self) -> bool:
        """Whether new backups are encrypted: as soon as there is a recipient."""
        return bool(self.settings.all_recipients)

    @property
    def identities(self) -> "IdentitySource":
        """Where the identities that open encrypted backups are read from."""
        from ledgerflow_ops.adapters.storage.age_keys import IdentitySource

        own = self.settings
        if self.escrowed:
            return IdentitySource(
                own.escrow_identity_file, own.escrow_identity_command, name="escrow_identity"
            )
        return IdentitySource(own.identity_file, own.identity_command)

    @property
    def _age(self) -> Codec:
        from ledgerflow_ops.adapters.storage.age_codec import AgeCodec

        return AgeCodec(self.settings.all_recipients, self.identities)

    def locations(self) -> list["EnvironmentContext"]:
        """This environment in each location of its backups, the primary folder first."""
        return [self, *map(self.at, self.ctx.settings.locations_of(self.environment))]

    def at(self, archive: Location) -> "EnvironmentContext":
        """This environment in an archive location."""
        folder = archive.folder / self.environment if archive.folder else None
        return replace(self, location=folder, archive=archive)

    @property
    def is_sample(self) -> bool:
        """Whether neither a URL nor a container is set: the environment then uses the sample database."""
        return self.settings.url is None and self.settings.compose is None

    @property
    def container(self) -> "Container | None":
        """The container that runs the environment's PostgreSQL; None where the settings name none."""
        compose = self.settings.compose
        if compose is None:
            return None
        from ledgerflow_ops.adapters.services.container import Container

        return Container(
            compose.project, compose.file, compose.service, compose.env_file, compose.application
        )

    @property
    def rules(self) -> tuple[DataRule, ...]:
        """The environment's data rules, and those of the sample database where it is used."""
        from ledgerflow_ops import sample

        return (*self.settings.data_rules, *(sample.RULES if self.is_sample else ()))

    def database(self) -> "Database":
        """The environment's database. The sample's server is started and its database made if needed.

        SettingsError for a URL that cannot be used; LedgerError where the server does not start.
        """
        from ledgerflow_ops.adapters.connection.database import Database

        if self.container:
            return self._in_container(self.container)
        url = self.settings.url
        if url is None:
            return self.ctx.embedded.sample(self.environment).with_limits(self.settings.limits)
        database = Database.from_address(url, f"environments.{self.environment}.database_url")
        return database.with_limits(self.settings.limits)

    def target(self) -> "Database":
        """The database that a restore replaces, by the account that may restore. It need not exist."""
        from ledgerflow_ops.adapters.connection.database import Database

        if self.container:
            return self._in_container(self.container)
        url = self.settings.admin_url or self.settings.url
        if url is None:
            return self.ctx.embedded.named(self.environment).with_limits(self.settings.limits)
        database = Database.from_address(url, f"environments.{self.environment}.admin_database_url")
        return database.with_limits(self.settings.limits)

    def _in_container(self, container: "Container") -> "Database":
        """The container's database. Settings for user and database override what the container has."""
        from ledgerflow_ops.adapters.connection.database import Database

        inside, compose = container.inspect(), self.settings.compose
        assert compose is not None
        names = {"user": compose.user or inside.user, "dbname": compose.database or inside.database}
        return Database(names, inside, self.settings.limits)

    def today(self) -> date:
        """The calendar day in the environment's time zone."""
        return self.ctx.clock().astimezone(self.settings.zone).date()
